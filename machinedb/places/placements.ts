import { sql } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';

const faces = { front: '[1,1]', rear: '[2,2]', both: '[1,2]' } as const;

/** Stores where a node stands. Throws when the place is taken, too high, or in no rack; PostgreSQL refuses any overlap. */
export async function storePlacement(tx: Tx, node: string, placement: Placement | undefined): Promise<void> {
  const { site, rack, unit, height = 1, face = 'both' } = placement ?? {};
  if (site === undefined || rack === undefined || unit === undefined) {
    await tx.deleteFrom('placement').where('node', '=', node).execute();
    return;
  }
  const row = await tx
    .selectFrom('rack')
    .select('height')
    .where('site', '=', site)
    .where('name', '=', rack)
    .forShare()
    .executeTakeFirst();
  if (row === undefined)
    throw new Problem('invalid', `there is no rack ${rack} in site ${site}: machinedb rack list shows them`);
  const top = unit + height - 1;
  if (top > row.height)
    throw new Problem('invalid', `units ${unit}-${top} do not fit: rack ${rack} of site ${site} has ${row.height}`);
  const units = `[${unit},${top}]`;
  const taken = await tx
    .selectFrom('placement')
    .innerJoin('node_now as n', 'n.node', 'placement.node')
    .select(['placement.node', 'n.fqdn', 'n.observed_name'])
    .select(sql<string>`concat_ws('-', lower(units), nullif(upper(units) - 1, lower(units)))`.as('units'))
    .where('placement.site', '=', site)
    .where('placement.rack', '=', rack)
    .where('placement.node', '<>', node)
    .where(sql<boolean>`units && ${units}::int4range and faces && ${faces[face]}::int4range`)
    .executeTakeFirst();
  if (taken !== undefined) {
    const who = taken.fqdn ?? taken.observed_name ?? taken.node;
    throw new Problem(
      'conflict',
      `unit ${unit}${top === unit ? '' : `-${top}`} of rack ${rack} in site ${site} is taken by ${who} (units ${taken.units})`,
    );
  }
  const values = { site, rack, face, faces: faces[face], units };
  await tx
    .insertInto('placement')
    .values({ node, ...values })
    .onConflict((conflict) => conflict.column('node').doUpdateSet(values))
    .execute();
}

/** Stores the MACs that the intents of nodes name. Throws when one of them is named for two nodes. */
export async function storeIntendedMacs(tx: Tx, macsOf: Map<string, string[]>): Promise<void> {
  const pairs = [...macsOf].flatMap(([node, macs]) => [...new Set(macs)].map((mac) => ({ node, mac })));
  const json = JSON.stringify(pairs);
  await sql`
    delete from intended_mac i where i.node = any (${[...macsOf.keys()]}::uuid[]) and not exists (
      select from json_to_recordset(${json}::json) as x(node uuid, mac macaddr) where x.node = i.node and x.mac = i.mac)`.execute(
    tx,
  );
  // In the order of MACs, so that two writers wait for each other on the first that both name.
  await sql`
    insert into intended_mac (mac, node) select mac, node from json_to_recordset(${json}::json) as x(node uuid, mac macaddr)
    order by mac, node on conflict (mac) do nothing`.execute(tx);
  const { rows } = await sql<{ mac: string; node: string }>`
    select i.mac, i.node from json_to_recordset(${json}::json) as x(node uuid, mac macaddr)
    join intended_mac i on i.mac = x.mac and i.node <> x.node order by i.mac limit 1`.execute(tx);
  if (rows[0] !== undefined)
    throw new Problem(
      'conflict',
      `MAC ${rows[0].mac} is intended for node ${rows[0].node} already: a port is in one machine`,
    );
}
