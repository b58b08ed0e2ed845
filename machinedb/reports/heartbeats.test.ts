import { expect, test } from 'vitest';
import { pace, planFor } from './heartbeats.ts';

test.each([
  [1, 30_000, 105_000],
  [90_000, 30_000, 105_000],
  [100_000, 33_333, 115_000],
  [300_000, 100_000, 315_000],
])('%i nodes beat every %i ms before splay, with leases of %i ms', (live, baseMs, leaseMs) => {
  const paced = pace(30_000, live);
  expect([Math.round(paced.baseMs), paced.leaseMs]).toEqual([baseMs, leaseMs]);
});

test('a plan is for a fleet of a size: there is another one when it has doubled', () => {
  expect([0, 1, 2, 3, 4, 1000, 1023, 1024, 100_000].map(planFor)).toEqual(
    [0, 1, 2, 2, 3, 10, 10, 11, 17].map((n) => `heartbeat_${n}`),
  );
});
