import { expect, test } from 'vitest';
import { pace } from './heartbeats.ts';

test.each([
  [1, 30_000, 105_000],
  [90_000, 30_000, 105_000],
  [100_000, 33_333, 115_000],
  [300_000, 100_000, 315_000],
])('%i nodes beat every %i ms before splay, with leases of %i ms', (live, baseMs, leaseMs) => {
  const paced = pace(30_000, live);
  expect([Math.round(paced.baseMs), paced.leaseMs]).toEqual([baseMs, leaseMs]);
});
