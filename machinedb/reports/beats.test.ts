import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { openDb } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { deadlocks, flushStatistics } from '../testing/statistics.ts';
import { createMetrics } from '../watch/metrics.ts';
import { createHeartbeats } from './heartbeats.ts';

const { db, url } = await withDatabase();
// One connection, so that it can be asked what is prepared there.
const one = openDb({ url, max: 1, statementTimeoutMs: 30_000, onError: () => {} });
const heartbeats = createHeartbeats(one, { intervalMs: 30_000, random: () => 0.5, metrics: createMetrics() });
afterAll(async () => {
  await heartbeats.close();
  await one.destroy();
});

const PACE = { next_in_ms: 30_000, lease_ms: 105_000 };
const REVOKED = 'this node was revoked: an operator can approve it again';
const said = { boot_id: 'b', seq: 1, facts: 'f00d', generation: 3, version: '1.2.3' };

/** A node of generation 3 whose facts are f00d. */
async function node(set: Record<string, unknown> = {}): Promise<string> {
  const id = randomUUID();
  const row = { id, state: 'active', level: 'approved', hardware: '{}', claimed_from: '10.0.0.1', ...set };
  await db
    .insertInto('node')
    .values(row as never)
    .execute();
  await db
    .insertInto('node_now')
    .values({ node: id, facts: 'f00d', generation: 3 } as never)
    .execute();
  return id;
}

const beat = async (id: string, change: Partial<typeof said> = {}) =>
  await heartbeats.beat(id, { ...said, ...change }).catch(({ message }: Error) => message);

test.each([
  ['nothing of a node that has all', {}, {}, []],
  ['facts that are others than those stored', {}, { facts: '' }, ['observed']],
  ['to fetch a newer generation', {}, { generation: 2 }, ['wanted']],
  ['nothing of one that is ahead of us', {}, { generation: 4 }, []],
  ['an install that a person asked for', { reinstall: 2, installed: 1 }, {}, ['install']],
  ['to ask for its turn', { waits_to_apply: true }, {}, ['apply']],
  [
    'all at once',
    { reinstall: 2, installed: 1, waits_to_apply: true },
    { facts: '0', generation: 0 },
    ['observed', 'wanted', 'install', 'apply'],
  ],
  [
    'only facts of a machine that nobody approved',
    { level: 'claimed', reinstall: 1, waits_to_apply: true },
    { facts: '0', generation: 0 },
    ['observed'],
  ],
  [
    'only facts of a locked one',
    { locked_at: new Date(), reinstall: 1, waits_to_apply: true },
    { facts: '0', generation: 0 },
    ['observed'],
  ],
])('is asked: %s', async (_, set, change, want) => {
  expect(await beat(await node(set), change)).toEqual({ ...PACE, want });
});

test('beats of one batch are answered each its own, and what they say is stored as it was said', async () => {
  const ids = [await node(), await node({ revoked_at: new Date() }), await node(), randomUUID(), await node()];
  const odd = ['{"a,b"}', '\\', 'NULL', 'x', '\\"{},'];
  const answers = await Promise.all(
    ids.map((id, i) => beat(id, { boot_id: odd[i]!, version: `${odd[i]} `, seq: i, facts: i === 2 ? '' : 'f00d' })),
  );
  expect(answers).toEqual([
    { ...PACE, want: [] },
    REVOKED,
    { ...PACE, want: ['observed'] },
    REVOKED,
    { ...PACE, want: [] },
  ]);
  const stored = await db
    .selectFrom('heartbeat')
    .select(['node', 'boot_id', 'seq', 'facts', 'generation', 'version', 'lease_ms'])
    .where('node', 'in', ids)
    .execute();
  const row = (i: number, facts: string) => ({
    ...{ node: ids[i], boot_id: odd[i], seq: i, facts, generation: 3, version: `${odd[i]} `, lease_ms: 105_000 },
  });
  expect(stored.sort((a, b) => a.seq - b.seq)).toEqual([row(0, 'f00d'), row(2, ''), row(4, 'f00d')]);
});

test('a node that was heard and then revoked is not heard again', async () => {
  const id = await node();
  expect(await beat(id)).toEqual({ ...PACE, want: [] });
  await db.updateTable('node').set({ revoked_at: new Date() }).where('id', '=', id).execute();
  expect(await beat(id, { seq: 2 })).toBe(REVOKED);
  const { seq } = await db.selectFrom('heartbeat').select('seq').where('node', '=', id).executeTakeFirstOrThrow();
  expect(seq).toBe(1);
});

test('beats that come shortly after a batch began share the next: each batch has a cost of its own', async () => {
  const ids = await Promise.all(Array.from({ length: 3 }, () => node()));
  const shared = async () => {
    await beat(ids[0]!);
    const second = beat(ids[1]!);
    await sleep(1);
    await Promise.all([second, beat(ids[2]!)]);
    const { rows } = await sql<{ batches: number }>`
      select count(distinct xmin::text)::integer as batches from heartbeat where node in (${ids[1]!}, ${ids[2]!})`.execute(
      db,
    );
    return rows[0]!.batches === 1;
  };
  // A machine that is busy may take longer for each of these than the spacing; without one they would never share.
  let found = false;
  for (let tries = 0; tries < 50 && !found; tries++) found = await shared();
  expect(found).toBe(true);
});

test('two daemons that hear the same nodes in different orders wait for each other, never in a circle', async () => {
  const ids = await Promise.all(Array.from({ length: 60 }, () => node()));
  const other = createHeartbeats(db, { intervalMs: 30_000, random: () => 0.5, metrics: createMetrics() });
  const before = await deadlocks(db);
  for (let seq = 1; seq <= 40; seq++) {
    const beats = [heartbeats, other].map((daemon, i) =>
      (i === 0 ? ids : ids.toReversed()).map((id) => daemon.beat(id, { ...said, seq })),
    );
    await Promise.all(beats.flat());
  }
  await other.close();
  expect(await deadlocks(db)).toBe(before);
});

test('a batch reads the nodes that it is of, also in a fleet that PostgreSQL knows nothing of yet', async () => {
  await sql`
    with made as (insert into node (state, level) select 'active', 'approved' from generate_series(1, 2000) returning id)
    insert into node_now (node) select id from made`.execute(db);
  const young = openDb({ url, max: 1, statementTimeoutMs: 30_000, onError: () => {} });
  const daemon = createHeartbeats(young, { intervalMs: 30_000, random: () => 0.5, metrics: createMetrics() });
  const ids = await Promise.all(Array.from({ length: 20 }, () => node()));
  const read = async () => {
    await flushStatistics(db);
    const { rows } = await sql<{ n: number }>`
      select sum(seq_tup_read + idx_tup_fetch)::integer as n from pg_stat_user_tables where relname in ('node', 'node_now')`.execute(
      db,
    );
    return rows[0]!.n;
  };
  const before = await read();
  await Promise.all(ids.map((id) => daemon.beat(id, said)));
  await daemon.close();
  // What a connection did is told at its end.
  await young.destroy();
  // The node of each, what is known of it, and the node once more: PostgreSQL checks what a new row refers to.
  expect((await read()) - before).toBe(3 * ids.length);
});

test('a batch is planned once a connection, and a change of its tables by a newer daemon fails no beat', async () => {
  const id = await node();
  await Promise.all([beat(id), beat(id, { seq: 2 })]);
  const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements`.execute(one);
  expect(rows).toEqual([{ name: 'heartbeat_0' }]);
  await sql`alter table heartbeat add column later text`.execute(db);
  await sql`alter table node_now alter column facts type varchar(64)`.execute(db);
  expect(await beat(id, { seq: 3 })).toEqual({ ...PACE, want: [] });
});
