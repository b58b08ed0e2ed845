import { expect, test } from 'vitest';
import { FairQueue, type QueueLimits } from './fair-queue.ts';
import { memoryInUse } from './memory-in-use.ts';
import { rackOf } from './rack.ts';

const limits: QueueLimits = { slots: 2, waiting: 4, perClient: 9, patienceMs: 1000 };

/** A queue at time 0, and what became of its entrants: 'served', or the seconds after which they shall come again. */
function queue(more: Partial<QueueLimits> = {}, random = () => 0.5) {
  let now = 0;
  const fair = new FairQueue({ ...limits, ...more }, () => now, random);
  const told: Record<string, 'served' | number> = {};
  const leave: Record<string, () => void> = {};
  return {
    fair,
    told,
    leave,
    enter: (name: string, client = name) => {
      leave[name] = fair.enter(name.slice(0, 1), client, (retry) => {
        told[name] = retry ?? 'served';
      });
    },
    wait: (ms: number) => {
      now += ms;
    },
  };
}

test('so many are served at a time, the others wait, in the order they came within a rack', () => {
  const { enter, told, leave, fair } = queue();
  for (const name of ['a1', 'a2', 'a3', 'a4']) enter(name);
  expect(told).toEqual({ a1: 'served', a2: 'served' });
  expect(fair.counts).toEqual({ served: 2, waiting: 2, shed: 0 });
  leave.a2!();
  leave.a2!();
  expect(told).toEqual({ a1: 'served', a2: 'served', a3: 'served' });
  for (const name of ['a1', 'a3', 'a4']) leave[name]!();
  expect(fair.counts).toEqual({ served: 0, waiting: 0, shed: 0 });
});

test('a free slot goes to the rack with the fewest, not to the one that asked first', () => {
  const { enter, told, leave } = queue({ slots: 3 });
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'c1']) enter(name);
  leave.a1!();
  leave.a2!();
  expect(Object.keys(told)).toEqual(['a1', 'a2', 'a3', 'b1', 'c1']);
  leave.b1!();
  expect(told.a4).toBe('served');
});

test('racks with equally many slots take turns', () => {
  const { enter, told, leave } = queue({ slots: 1 });
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) enter(name);
  for (const name of ['a1', 'b1', 'a2', 'b2']) leave[name]!();
  expect(Object.keys(told)).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
});

test('a full waiting room takes the newest of the longest queue for one of a shorter one', () => {
  const { enter, told, fair } = queue();
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'b1', 'b2', 'b3']) enter(name);
  // a7 found it full; a6 and a5 made room for b1 and b2; b3 would have made b's queue the longest.
  expect(told).toEqual({ a1: 'served', a2: 'served', a7: 1, a6: 1, a5: 1, b3: 1 });
  expect(fair.counts).toEqual({ served: 2, waiting: 4, shed: 4 });
});

test('one client has so many at a time, wherever it says it is from', () => {
  const { enter, told, leave } = queue({ slots: 9, perClient: 2 });
  for (const name of ['a1', 'b1', 'a2']) enter(name, 'x');
  expect(told).toEqual({ a1: 'served', b1: 'served', a2: 1 });
  leave.a1!();
  enter('a3', 'x');
  expect(told.a3).toBe('served');
});

test('who waited too long is told to come again, when those who wait will be through, and not in step', () => {
  let random = 0;
  const { enter, told, leave, wait, fair } = queue({ slots: 1 }, () => random);
  enter('a1');
  wait(10_000);
  enter('a2');
  leave.a1!();
  for (const name of ['a3', 'a4', 'a5']) enter(name);
  wait(999);
  fair.expire();
  expect(told).toEqual({ a1: 'served', a2: 'served' });
  wait(1);
  fair.expire();
  // Three of them at 10 s each: 31, 21 and 11 s, and half of it by this chance.
  expect(told).toMatchObject({ a3: 16, a4: 11, a5: 6 });
  random = 0.999;
  enter('a6');
  wait(1000);
  fair.expire();
  expect(told.a6).toBe(17);
  expect(fair.counts).toEqual({ served: 1, waiting: 0, shed: 4 });
});

test('who goes away while it waits is never served', () => {
  const { enter, told, leave } = queue({ slots: 1 });
  for (const name of ['a1', 'a2', 'a3']) enter(name);
  leave.a2!();
  leave.a1!();
  expect(told).toEqual({ a1: 'served', a3: 'served' });
});

test('another rack with as many waiting loses nobody: only the longest queue makes room', () => {
  const { enter, told } = queue({ waiting: 5 });
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'a4', 'c1']) enter(name);
  expect(told).toEqual({ a1: 'served', a2: 'served', b3: 1 });
});

test('the memory of clients and racks that are gone is free', () => {
  const fair = new FairQueue(
    limits,
    () => 0,
    () => 0.5,
  );
  const pass = (count: number) => {
    for (let i = 0; i < count; i++) fair.enter(`rack ${i}`, `client ${i}`, () => undefined)();
  };
  pass(1000);
  const before = memoryInUse();
  pass(200_000);
  expect(memoryInUse() - before).toBeLessThan(2e6);
});

test('a rack is a subnet', () => {
  const own = { address: '10.1.0.1', prefixLength: 22 };
  expect(
    ['10.1.3.9', '10.1.4.9', '10.9.8.7', '::ffff:10.1.2.3', 'fd77::1:2:3:4', ''].map((ip) => rackOf(ip, own)),
  ).toEqual([...['10.1.0.0/22', '10.1.4.0/24', '10.9.8.0/24', '10.1.0.0/22', 'fd77::/64', '']]);
});
