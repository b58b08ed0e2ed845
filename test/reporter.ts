import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** A skipped test's name says with this word that it needs a thing which no CI machine can have. */
const NEVER_IN_CI = 'no CI machine has';

/**
 * Tells a failure at once, since a run is long; prints the last line of a run, `N passed, N failed, N skipped`, and in CI fails a run
 * that skipped without need.
 */
export default class CountReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result();
    if (state !== 'failed') return;
    for (const { message, stacks } of errors) {
      const [at] = stacks ?? [];
      const where = at === undefined ? '' : ` (${at.file}:${at.line})`;
      console.log(`failed: ${test.module.relativeModuleId}: ${test.fullName}: ${message}${where}`);
    }
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const skipped: string[] = [];
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'pending') continue;
        counts[state] += 1;
        if (state === 'skipped') skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
      }
    }
    counts.failed += errors.length;
    if (skipped.length > 0) console.log(`skipped:\n  ${skipped.join('\n  ')}`);
    if (process.env.CI === 'true' && skipped.some((name) => !name.includes(NEVER_IN_CI))) {
      console.log('In CI a skipped test is a failure, unless its name says what no CI machine has.');
      process.exitCode = 1;
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
