import { expect, test } from 'vitest';
import { floorClock } from './clock.ts';

test('a clock in 1970 shows the floor, and runs on from there', () => {
  let uptime = 5_000;
  const clock = floorClock(
    () => uptime,
    1_000_000,
    () => uptime,
  );
  expect(clock()).toBe(1_000_000);
  uptime += 700;
  expect(clock()).toBe(1_000_700);
});

test('a clock that is set jumps forward at once, and runs on when it is set back', () => {
  let uptime = 0;
  let system = 10;
  const clock = floorClock(
    () => system,
    1_000,
    () => uptime,
  );
  system = 9_000;
  expect(clock()).toBe(9_000);
  system = 20;
  uptime = 300;
  expect(clock()).toBe(9_300);
});
