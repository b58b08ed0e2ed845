import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{agent,machinedb,shared,pxe,images,test}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: 'forks',
    reporters: ['default', './test/reporter.ts'],
  },
});
