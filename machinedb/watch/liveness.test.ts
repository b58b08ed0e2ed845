import { sql } from 'kysely';
import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { withIntents } from '../testing/intents.ts';
import { watchLiveness } from './liveness.ts';
import { startTasks } from './tasks.ts';

const { db, node, now, ask } = await withIntents();
await openEpoch(db);
const GAP_MS = 30_000;

/** A node that was heard of so many seconds ago, with a lease of one second. */
async function heard(secondsAgo: number): Promise<string> {
  const id = await node();
  await sql`insert into heartbeat (node, at, lease_ms, boot_id, seq) values (${id}, now() - make_interval(secs => ${secondsAgo}), 1000, 'b', 1)`.execute(
    db,
  );
  return id;
}
/** Daemons have listened since then, and were last seen doing so then (SQL intervals before now). */
const listening = (since: string, last: string) =>
  sql`update fleet set listening_since = now() - ${since}::interval, listening_at = now() - ${last}::interval`.execute(
    db,
  );
const watch = (away = false) => transaction(db, (tx) => watchLiveness(tx, { gapMs: GAP_MS, away }));
const kinds = async (subject: string) =>
  (
    await db
      .selectFrom('event')
      .select('kind')
      .where('subject', '=', subject)
      .where('kind', 'like', '%reachable')
      .orderBy('seq')
      .execute()
  ).map(({ kind }) => kind);

beforeEach(() => listening('1 hour', '1 second'));

test('a node whose lease is over is unreachable, and reachable again with its next heartbeat; each is said once', async () => {
  const id = await heard(60);
  await watch();
  await watch();
  expect([(await now(id)).reachable, await kinds(`node/${id}`)]).toEqual([false, ['node.unreachable']]);
  await sql`update heartbeat set at = now() where node = ${id}`.execute(db);
  await watch();
  expect([(await now(id)).reachable, await kinds(`node/${id}`)]).toEqual([
    true,
    ['node.unreachable', 'node.reachable'],
  ]);
});

test.each([
  ['after a time in which no daemon listened', '1 hour', '10 minutes'],
  ['103: when the clock jumped ten years forward', '10 years', '10 years'],
  ['103: when the clock jumped ten years back', '-10 years', '-10 years'],
])('%s nothing is unreachable before two leases are over', async (_name, since, last) => {
  const id = await heard(60);
  await listening(since, last);
  await watch();
  expect((await now(id)).reachable).toBeNull();
  await listening('3 seconds', '1 second');
  await watch();
  expect((await now(id)).reachable).toBe(false);
});

test('a revoked node is nobody to wait for', async () => {
  const id = await heard(60);
  await db.updateTable('node').set({ revoked_at: new Date() }).where('id', '=', id).execute();
  await watch();
  expect((await now(id)).reachable).toBeNull();
});

test('103 a heartbeat from a clock that was hours ahead makes nobody alive', async () => {
  for (let i = 0; i < 5; i++) await heard(0);
  const id = await heard(-7200);
  await watch();
  expect((await now(id)).reachable).toBe(false);
  await db.deleteFrom('heartbeat').execute();
});

test('after the database was away nobody is unreachable before two leases are over', async () => {
  const id = await heard(60);
  await watch(true);
  expect((await now(id)).reachable).toBeNull();
  await listening('3 seconds', '1 second');
  await watch();
  expect((await now(id)).reachable).toBe(false);
});

test('a daemon whose database did not answer says so, and gives everybody two leases', async () => {
  const id = await heard(60);
  await sql`update heartbeat set lease_ms = 20000 where node = ${id}`.execute(db);
  const lines: string[] = [];
  const log = pino(
    { level: 'info' },
    { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
  );
  await sql`alter table fleet rename to gone`.execute(db);
  const tasks = startTasks(db, { ...readConfig({}), taskMs: 20 }, log, Math.random);
  try {
    await expect.poll(() => lines, { timeout: 10_000 }).toContain('a background task failed; it is tried again');
    await sql`alter table gone rename to fleet`.execute(db);
    const again = 'a background task works again; what it missed, it takes for unknown';
    await expect.poll(() => lines, { timeout: 10_000 }).toContain(again);
  } finally {
    await tasks.stop();
  }
  expect((await now(id)).reachable).toBeNull();
  await listening('41 seconds', '1 second');
  await watch();
  expect((await now(id)).reachable).toBe(false);
});

const beat = (ids: string[]) => sql`update heartbeat set at = now() where node = any (${ids}::uuid[])`.execute(db);
const events = async (subject: string) => {
  const rows = await db.selectFrom('event').selectAll().where('subject', '=', subject).orderBy('seq').execute();
  return rows.filter(({ kind }) => kind.split('.')[0] === subject.split('/')[0]).map(({ kind, data }) => [kind, data]);
};
const site = async () => (await ask('listSites', {})).items.find(({ name }) => name === 'ber')?.unreachable;

test('a site that falls silent at once is said once, also for nodes that follow, and again when it is back', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 8; i++) {
    const id = await heard(i < 6 ? 60 : 0);
    await ask('putNodeIntent', { params: { node: id, section: 'placement' }, body: { site: 'ber' } });
    ids.push(id);
  }
  const [six, follower] = [ids.slice(0, 6).sort(), ids[6]!];
  await sql`update heartbeat set lease_ms = 20000 where node = any (${ids}::uuid[])`.execute(db);
  await beat(ids.slice(6));
  await watch();
  await watch();
  const told = async () => (await events('site/ber')).filter(([kind]) => kind !== 'site.put');
  expect(await told()).toEqual([['site.unreachable', { nodes: six }]]);
  expect(await site()).toEqual({ since: expect.any(String), nodes: 6 });
  expect((await now(six[0]!)).reachable).toBe(false);
  await sql`update heartbeat set at = now() - interval '30 seconds' where node = ${follower}`.execute(db);
  await beat([six[0]!, ids[7]!]);
  await watch();
  expect((await told()).slice(1)).toEqual([
    ['site.silent', { nodes: [follower] }],
    ['site.heard', { nodes: [six[0]] }],
  ]);
  expect((await site())?.nodes).toBe(7);
  const back = six.slice(1, 5);
  await beat([...back, six[0]!, ids[7]!]);
  await watch();
  expect((await told()).slice(3)).toEqual([['site.heard', { nodes: back }]]);
  expect((await site())?.nodes).toBe(7);
  // The others have a lease to come back, too.
  await sql`update site_outage set returning_since = now() - interval '25 seconds'`.execute(db);
  await beat([...back, six[0]!, follower, ids[7]!]);
  await watch();
  expect((await told()).slice(4)).toEqual([['site.reachable', { nodes: [follower] }]]);
  expect(await site()).toBeUndefined();
  // Those that did not come back with their site are somebody's matter now, each for itself.
  expect(await kinds(`node/${six[5]}`)).toEqual(['node.unreachable']);
  expect(await kinds(`node/${six[1]}`)).toEqual([]);
  expect((await now(six[1]!)).reachable).toBe(true);
});

test('a site whose silent nodes stand elsewhere now is not unreachable any more', async () => {
  await ask('putSite', { params: { site: 'ham' }, body: {} });
  const place = (id: string, site: string) =>
    ask('assignNode', { params: { node: id }, body: { site, reason: 'moved' } });
  const ids = await Promise.all(Array.from({ length: 5 }, () => heard(60)));
  for (const id of ids) await place(id, 'ham');
  await watch();
  const told = async () => (await events('site/ham')).map(([kind]) => kind).filter((kind) => kind !== 'site.put');
  expect(await told()).toEqual(['site.unreachable']);
  for (const id of ids) await place(id, 'ber');
  await watch();
  expect(await told()).toEqual(['site.unreachable', 'site.reachable']);
});

test('when nobody at all is heard, the service says so of itself and calls no node unreachable', async () => {
  const { rows } = await sql<{ node: string }>`select node from heartbeat`.execute(db);
  const all = rows.map(({ node }) => node);
  await beat(all);
  await watch();
  await sql`update heartbeat set at = now() - interval '10 minutes'`.execute(db);
  await watch();
  await watch();
  expect(await events('fleet')).toEqual([['fleet.silent', {}]]);
  const unreachable = async () =>
    (await sql<{ n: number }>`select count(*) as n from node_now where reachable is false`.execute(db)).rows[0]!.n;
  const before = await unreachable();
  await beat(all.slice(0, 1));
  await watch();
  await watch();
  expect((await events('fleet')).map(([kind]) => kind)).toEqual(['fleet.silent', 'fleet.heard']);
  // All others have two leases to be heard, too.
  expect(await unreachable()).toBe(before);
});
