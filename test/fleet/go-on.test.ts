import { expect, test } from 'vitest';
import type { Changing } from './changes.ts';
import { goOn } from './go-on.ts';
import { makeMachine } from './machine.ts';

/** Numbers in [0, 1) that are the same at every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A clock that goes on to what is next as soon as everybody sleeps; it ends everything at `untilMs`. */
function virtualClock(untilMs: number) {
  const sleepers: { at: number; wake: () => void; end: (error: Error) => void }[] = [];
  const abort = new AbortController();
  let now = 0;
  const sleep = (ms: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    sleepers.push({ at: now + ms, wake: resolve, end: reject });
    return promise;
  };
  const run = async () => {
    while (sleepers.length > 0) {
      sleepers.sort((a, b) => a.at - b.at);
      if (sleepers[0]!.at > untilMs) break;
      const { at, wake } = sleepers.shift()!;
      now = at;
      wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    abort.abort();
    for (const { end } of sleepers) end(new Error('it is over'));
  };
  return { sleep, run, signal: abort.signal, now: () => now };
}

const EVERY_MS = 20_000;
const LASTS_MS = 120_000;

/** A day of 40 machines; `report` is what becomes of each report. */
async function aDay(report: () => Promise<void> = async () => undefined) {
  const clock = virtualClock(24 * 3_600_000);
  const said: { at: number; text: string }[] = [];
  const silent = new Set<number>();
  const wrong: string[] = [];
  const nodes = Array.from({ length: 40 }, (_, i): Changing => {
    const faults: Changing['faults'] = new Set();
    const mustSpeak = (what: string) => {
      if (silent.has(i)) wrong.push(`${i} ${what} while it is silent`);
      if (faults.size > 1) wrong.push(`${i} has ${faults.size} faults`);
    };
    return {
      ...{ machine: makeMachine(i), faults, stop: () => void silent.add(i) },
      open: async () => void silent.delete(i),
      reboot: async () => mustSpeak('boots'),
      report: async () => {
        mustSpeak('reports');
        await report();
      },
    };
  });
  const say = (text: string) => void said.push({ at: clock.now(), text: text.slice('00:00:00 '.length) });
  const options = { everyMs: EVERY_MS, lastsMs: LASTS_MS, random: numbers(7), say, ...clock };
  const over = expect(goOn(nodes, options)).rejects.toThrow('it is over');
  await clock.run();
  await over;
  return { said, wrong, nodes, silent };
}

test('in a day of the lab something begins every 10 to 30 s, lasts 1 to 3 min, and is alone with its machine', async () => {
  const { said, wrong, nodes, silent } = await aDay();
  expect(wrong).toEqual([]);
  const begun = said.filter(({ text }) => !text.endsWith('is as before'));
  const pauses = begun.slice(1).map(({ at }, i) => at - begun[i]!.at);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(EVERY_MS / 2);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(EVERY_MS * 1.5);
  expect(begun.length).toBeGreaterThan(4000);
  // Everything of the faults' list, silence and boots happen.
  expect(
    new Set(begun.map(({ text }) => text.replace(/^\S+: /, '').replace(/ (in|at) .*| GPU .*/, ''))).size,
  ).toBeGreaterThan(5);
  const lasting = new Map<string, number>();
  for (const { at, text } of said) {
    const [name = '', what] = text.split(': ');
    if (what === 'boots again') continue;
    const since = lasting.get(name);
    if (what !== 'is as before') {
      expect(since, text).toBeUndefined();
      lasting.set(name, at);
      continue;
    }
    expect(at - since!).toBeGreaterThanOrEqual(LASTS_MS / 2);
    expect(at - since!).toBeLessThanOrEqual(LASTS_MS * 1.5);
    lasting.delete(name);
  }
  // What goes on at the end of the day is what was begun and not ended, and nothing else is different.
  const different = nodes.filter(({ faults }, i) => faults.size > 0 || silent.has(i));
  expect(different.map(({ machine }) => machine.place.fqdn).sort()).toEqual([...lasting.keys()].sort());
});

test('a daemon that is away is told of, and the lab goes on', async () => {
  let asked = 0;
  const { said } = await aDay(async () => {
    asked += 1;
    if (asked % 2 === 0) throw new Error('connection refused');
  });
  expect(said.filter(({ text }) => text === 'it was not told: connection refused').length).toBe(Math.floor(asked / 2));
  expect(asked).toBeGreaterThan(4000);
});
