import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';
import { flushStatistics } from '../testing/statistics.ts';

const { db, ask, node, now } = await withIntents();
const OTHERS = 3000;

/** Rows of node_now that were read one after the other so far; a backend tells its own with some delay. */
async function scanned(): Promise<number> {
  await flushStatistics(db);
  const { rows } = await sql<{ seq_tup_read: number }>`
    select seq_tup_read from pg_stat_user_tables where relname = 'node_now'`.execute(db);
  return rows[0]!.seq_tup_read;
}

test('a write about one node, and a new one about a rack, do not read the fleet', async () => {
  const id = await node();
  await sql`
    with made as (insert into node (state, level) select 'approved', 'approved' from generate_series(1, ${OTHERS}) returning id)
    insert into node_now (node, role) select id, 'web' from made`.execute(db);
  await sql`vacuum analyze node, node_now`.execute(db);
  const before = await scanned();
  const body = { site: 'ber', rack: 'r1', unit: 3, role: 'gpu', fqdn: 'a.example.org', reason: 'test' };
  await ask('assignNode', { params: { node: id }, body });
  const written = await ask('putRackIntent', {
    params: { site: 'ber', rack: 'r1', section: 'time' },
    body: { timezone: 'Europe/Berlin' },
  });
  expect(written.nodes.map((each) => each.node)).toEqual([id]);
  expect((await now(id)).wanted).toMatchObject({ time: { timezone: 'Europe/Berlin' } });
  expect((await scanned()) - before).toBe(0);
}, 30_000);
