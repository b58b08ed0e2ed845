import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('rows that were answered are let go while they are young: keeping them made collections the pauses of lists', async () => {
  const fixture = join(import.meta.dirname, 'pool.fixture.ts');
  const args = ['--initial-heap-size=1024', fixture, process.env.TEST_DATABASE_URL!];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(Number(stdout)).toBeLessThan(15_000_000);
});
