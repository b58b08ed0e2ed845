import { sql } from 'kysely';
import type { Harness } from '../harness.ts';
import type { Seeded } from './fleet-seed.ts';
import { time } from './measure.ts';

const MOST = 10_000;

/** An intent of a role that 10,000 nodes have (or as many as there are): until what is wanted of all, and their findings, are right. */
export async function fleetIntent(harness: Harness, { db }: Seeded): Promise<void> {
  await sql`insert into role (name) values ('bench')`.execute(db);
  // Their role is written as an assignment writes it, in bulk.
  await sql`
    with chosen as (select 'node/' || node as subject, node from node_now order by node limit ${MOST}),
    written as (
      update revision r set data = '{"name": "bench"}' from chosen
      where r.subject = chosen.subject and r.side = 'intended' and r.section = 'role' and upper_inf(r.valid)
    )
    update node_now n set role = 'bench', wanted = jsonb_set(wanted, '{role}', '{"name": "bench"}') from chosen where n.node = chosen.node`.execute(
    db,
  );
  await sql`vacuum analyze`.execute(db);
  const params = { role: 'bench', section: 'time' } as const;
  const ms = await time(() =>
    harness.daemons[0].client.call('putRoleIntent', {
      params,
      query: { reason: 'bench' },
      body: { timezone: 'Europe/Berlin' },
    }),
  );
  const { rows } = await sql<{ right: number; found: number }>`
    select count(*) filter (where wanted -> 'time' is not null) as right,
      (select count(distinct node) from finding where section = 'time') as found
    from node_now where role = 'bench'`.execute(db);
  const { right, found } = rows[0]!;
  console.log(
    `  an intent of a role of ${right} nodes, of which ${found} differ: ${(ms / 1000).toFixed(1)} s (aim 5 s for 10,000)`,
  );
}
