import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { api } from '../../shared/api.ts';
import { withDatabase } from '../testing/database.ts';
import { flushStatistics } from '../testing/statistics.ts';
import { createMetrics } from '../watch/metrics.ts';
import { listNodes } from './node-list.ts';
import { hasName } from './search.ts';

const { db } = await withDatabase();
const NODES = 10_000;

await sql`
  with made as (insert into node (state, level, hardware)
    select 'active', 'approved', jsonb_build_object('n', n) from generate_series(1, ${NODES}) as n returning id, hardware ->> 'n' as n)
  insert into node_now (node, fqdn, serial, reachable, observed_at)
  select id, case n when '7' then 'z.example.org' when '8' then 'xz-2.example.org' else 'node' || n || '.example.org' end, 'SN' || n,
    n::int > 3, now()
  from made`.execute(db);
await sql`vacuum analyze node, node_now`.execute(db);

/** Rows of node_now that were read so far. */
async function rowsRead(): Promise<number> {
  await flushStatistics(db);
  const { rows } = await sql<{ n: number }>`
    select seq_tup_read + idx_tup_fetch as n from pg_stat_user_tables where relname = 'node_now'`.execute(db);
  return rows[0]!.n;
}

test('one or two characters are looked up as a beginning, by index; three as a part', async () => {
  const names = async (q: string) => (await listNodes(db, { q, limit: 5 })).items.map(({ fqdn }) => fqdn);
  const before = await rowsRead();
  expect(await names('Z')).toEqual(['z.example.org']);
  expect(await names('xz')).toEqual(['xz-2.example.org']);
  expect([await names('z-'), await names('o_')]).toEqual([[], []]);
  expect(await names('sn')).toHaveLength(5);
  expect((await rowsRead()) - before).toBeLessThan(NODES / 10);
  expect(await names('Z-2')).toEqual(['xz-2.example.org']);
});

test('what has no letter or digit is refused: no index finds it', () => {
  const { query } = api.listNodes;
  const parsed = (q: string) => query.safeParse({ q }).error?.issues.map(({ message }) => message) ?? [];
  expect([parsed('--'), parsed('%'), parsed('a-'), parsed('é'), parsed('')]).toEqual([
    ['has no letter or digit to look for'],
    ['has no letter or digit to look for'],
    ...[[], [], []],
  ]);
});

test.each([
  ['Z', true],
  ['xz', false],
  ['s', true],
  ['N7', false],
  ['SN7', true],
  ['.EX', true],
  ['', true],
])('so it is in the past: %s', (q, is) => {
  expect(hasName([undefined, 'z.example.org', 'SN7'], q)).toBe(is);
});

test('the metrics count who is unreachable without reading the fleet', async () => {
  const metrics = createMetrics();
  const before = await rowsRead();
  expect(await metrics.render(db)).toContain('\nmachinedb_nodes_unreachable 3\n');
  expect((await rowsRead()) - before).toBeLessThan(NODES / 10);
  metrics.close();
});
