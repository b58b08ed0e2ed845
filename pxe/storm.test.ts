import { expect, test } from 'vitest';
import { memoryInUse } from './memory-in-use.ts';
import { fairShares, simulateStorm, worstShare } from './storm-simulation.ts';
import { seeded } from './testing.ts';

test('a fair share is an even one until a small rack is through', () => {
  expect(fairShares([1, 1, 2], 4)).toEqual([3, 3, 4]);
  expect(worstShare([1, 1, 2], [3, 3.3, 4])).toBeCloseTo(1.1);
});

test('2,600 machines of 21 racks, one of them ten times as large: all boot, and each rack in its fair time', () => {
  const racks = [800, ...Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 80 : 100))];
  const before = memoryInUse();
  const outcome = simulateStorm({ racks, decisionMs: 5, kernelMs: 1000, initrdMs: 4000, random: seeded(7) });
  expect(outcome.booted).toBe(2600);
  expect(outcome.turnedAway).toBeGreaterThan(1000);
  expect(outcome.mostWaiting).toBeLessThanOrEqual(4000);
  expect(worstShare(racks, outcome.ended)).toBeLessThanOrEqual(1.5);
  expect(memoryInUse() - before).toBeLessThan(5e6);
});
