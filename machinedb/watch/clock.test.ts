import { afterAll, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { createHeartbeats } from '../reports/heartbeats.ts';
import { withIntents } from '../testing/intents.ts';
import { startTurnedPostgres } from '../testing/turned-clock.ts';
import { jumpBetween, openClock } from './clock.ts';
import { createMetrics } from './metrics.ts';
import { livenessTask } from './tasks.ts';

const HOUR_S = 3600;
const postgres = await startTurnedPostgres();
// What is registered first ends last.
afterAll(() => postgres.close());
const { db, ask, node } = await withIntents(postgres.url);
await openEpoch(db);
const metrics = createMetrics();
// A lease is 3.5 s.
const heartbeats = createHeartbeats(db, { intervalMs: 1000, random: Math.random, metrics });
afterAll(async () => {
  await heartbeats.close();
  metrics.close();
});

let [offsetS, passedMs] = [0, 0];
const turn = (seconds: number) => {
  offsetS += seconds;
  postgres.turn(offsetS);
};
const warnings: string[] = [];
const warn = (_: object, message: string) => void warnings.push(message);
const clock = openClock({ warn } as never, () => performance.now() + passedMs);
const look = () => transaction(db, async (tx) => void (await livenessTask(clock).run(tx, readConfig({}), false)));

/** So many seconds go by, in each of which these nodes beat and somebody looks. */
async function live(nodes: string[], seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    const beat = { boot_id: 'b', seq: i, facts: 'f', generation: 0, version: '1' };
    await Promise.all(nodes.map((id) => heartbeats.beat(id, beat)));
    turn(1);
    passedMs += 1000;
    await look();
  }
}

const alarms = async () =>
  (await db.selectFrom('event').select(['kind', 'subject']).orderBy('seq').execute())
    .filter(({ kind }) => /unreachable|silent/.test(kind))
    .map(({ kind, subject }) => `${kind} ${subject}`);

beforeEach(() => void warnings.splice(0));

test("103: while PostgreSQL's clock is turned nobody is called lost who lives, and who falls silent is found", async () => {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => node()));
  const items = nodes.map((id) => ({ node: id, site: 'ber' }));
  await ask('bulk', { body: { items, reason: 'test' } });
  await live(nodes, 10);
  expect([await alarms(), warnings]).toEqual([[], []]);
  // Forward a day, and by less than the pause of the daemons that would be noticed; each time everybody's lease is over at once.
  for (const seconds of [24 * HOUR_S, 20]) {
    turn(seconds);
    await look();
    await live(nodes, 10);
    expect(await alarms()).toEqual([]);
    expect(warnings.splice(0)).toEqual([
      expect.stringMatching(new RegExp(`^PostgreSQL's clock jumped by (${seconds}|${seconds + 1}) s`)),
    ]);
  }
  // Back, and one of them has spoken for the last time before: its beat stands in the future.
  const [dead, ...rest] = nodes as [string, ...string[]];
  turn(-HOUR_S + 10);
  await look();
  await live(rest, 6);
  expect(await alarms()).toEqual([]);
  await live(rest, 6);
  expect(await alarms()).toEqual([`node.unreachable node/${dead}`]);
  expect(warnings).toEqual([expect.stringMatching(/^PostgreSQL's clock jumped by -35(90|89|91) s, or /)]);
  await live(nodes, 2);
  const events = await db.selectFrom('event').select(['kind', 'at']).orderBy('seq').execute();
  expect(events.at(-1)?.kind).toBe('node.reachable');
  // Not one has the time of another, or an earlier one than that before it.
  expect(events.map(({ at }) => at.getTime())).toEqual(events.map(({ at }) => at.getTime()).sort((a, b) => a - b));
  const { items: nodesNow } = await ask('listSites', { query: {} });
  expect(nodesNow).toEqual([{ name: 'ber' }]);
}, 60_000);

test.each([
  ['it goes as ours', { theirs: 5000, before: 5000, after: 5001 }, 0],
  ['a slow answer is no jump', { theirs: 5000, before: 5000, after: 65_000 }, 0],
  ['nor is one that waited before it was read', { theirs: 64_000, before: 5000, after: 65_000 }, 0],
  ['a step of a second is none', { theirs: 6000, before: 5000, after: 5001 }, 0],
  ['forward', { theirs: 105_000, before: 5000, after: 5010 }, 99_990],
  ['back', { theirs: -95_000, before: 5000, after: 5010 }, -100_000],
])('%s', (_, second, jump) => {
  expect(jumpBetween({ theirs: 0, before: 0, after: 0 }, second)).toBe(jump);
});
