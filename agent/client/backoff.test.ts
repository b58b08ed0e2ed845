import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

test('waits are spread over the whole time, which doubles up to a minute', () => {
  expect([1, 2, 3, 6, 7, 100].map((failures) => backoffMs(failures, () => 1))).toEqual([
    1000, 2000, 4000, 32_000, 60_000, 60_000,
  ]);
  expect(backoffMs(5, () => 0)).toBe(0);
});

test('Retry-After is obeyed, from a second to a quarter of an hour', () => {
  expect([0, 2, 100_000].map((seconds) => backoffMs(1, () => 0, seconds))).toEqual([1000, 2000, 900_000]);
});
