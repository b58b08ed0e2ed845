import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { withIntents } from '../testing/intents.ts';
import { watchLiveness } from './liveness.ts';

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
const watch = () => transaction(db, (tx) => watchLiveness(tx, GAP_MS));
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

test('a site that falls silent at once is said once, with its nodes', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = await heard(60);
    await ask('putNodeIntent', { params: { node: id, section: 'placement' }, body: { site: 'ber' } });
    ids.push(id);
  }
  await watch();
  const said = await db
    .selectFrom('event')
    .selectAll()
    .where('subject', '=', 'site/ber')
    .where('kind', '=', 'site.unreachable')
    .execute();
  expect(said.map(({ data }) => data)).toEqual([{ nodes: ids.sort() }]);
  expect(await kinds(`node/${ids[0]}`)).toEqual([]);
});
