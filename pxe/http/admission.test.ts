import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Admission } from './admission.ts';

/** A door that lets one in at a time, and one wait. */
function open() {
  const told: number[] = [];
  const clock = { now: 0 };
  const door = new Admission({
    limits: { slots: 1, waiting: 1, perClient: 9, patienceMs: 1000 },
    rackOf: () => 'r',
    clock: () => clock.now,
    random: () => 0.5,
    tell: (turnedAway) => told.push(turnedAway),
  });
  onTestFinished(() => door.close());
  const enter = (address: string) => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    const work = Promise.withResolvers<void>();
    let began = false;
    const ended = door.admit(response, address, () => {
      began = true;
      return work.promise;
    });
    return { response, ended, finish: work.resolve, began: () => began, status: () => response.statusCode };
  };
  return { told, clock, enter };
}
const turn = () => new Promise(setImmediate);

test('who goes away while it waits is not worked for, and leaves its place to another', async () => {
  const { enter } = open();
  const [served, gone] = [enter('a'), enter('b')];
  await turn();
  expect([served.began(), gone.began()]).toEqual([true, false]);
  gone.response.emit('close');
  await gone.ended;
  const next = enter('c');
  served.finish();
  await served.ended;
  await turn();
  expect([gone.began(), next.began(), next.status()]).toEqual([false, true, 200]);
});

test('who is being served keeps its slot until the work has ended, though it went away', async () => {
  const { enter } = open();
  const served = enter('a');
  await turn();
  served.response.emit('close');
  const next = enter('b');
  await turn();
  expect(next.began()).toBe(false);
  served.finish();
  await turn();
  expect(next.began()).toBe(true);
});

test('work that fails leaves its slot, and who waited too long is told to come again', async () => {
  const { enter, clock } = open();
  const failed = enter('a');
  failed.finish(Promise.reject(new Error('away')) as never);
  await expect(failed.ended).rejects.toThrow('away');
  enter('b');
  const late = enter('c');
  await turn();
  clock.now += 1000;
  await late.ended;
  expect([late.began(), late.status(), late.response.getHeader('retry-after')]).toEqual([false, 503, undefined]);
});

test('a flood of refusals is told of once in ten seconds, and each but once', async () => {
  const { enter, clock, told } = open();
  const crowd = () => ['a', 'b', 'c', 'd'].map(enter);
  crowd();
  crowd();
  clock.now += 10_000;
  await expect.poll(() => told, { timeout: 3000 }).toEqual([7]);
  crowd();
  clock.now += 9_999;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(told).toEqual([7]);
  clock.now += 1;
  await expect.poll(() => told, { timeout: 3000 }).toEqual([7, 4]);
});
