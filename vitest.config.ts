import { defineConfig } from 'vitest/config';

/** Tests that boot machines: both cores for minutes. They run after all others, which would wait too long beside them. */
const lab = ['test/boot-*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: 'forks',
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
      { extends: true, test: { name: 'lab', include: lab, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
