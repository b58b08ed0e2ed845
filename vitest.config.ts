import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

/**
 * Tests that boot machines. They run after all others, which would wait too long beside them; three at a time: a machine that boots
 * works, but one whose servers are away, or that waits until a change is undone, only waits, and that is a fifth of all.
 */
const lab = ['test/boot-*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'house',
          include: ['{agent,machinedb,shared,pxe,images,test}/**/*.test.ts'],
          exclude: lab,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          ...{ name: 'lab', include: lab, maxWorkers: 3, maxConcurrency: 2, sequence: { groupOrder: 1 } },
          // Each question is a command, and so a process.
          expect: { poll: { interval: 1000, timeout: 20_000 } },
        },
      },
    ],
  },
});
