import { sql } from 'kysely';
import type { Placement } from '../shared/sections/placement.ts';
import type { Tx } from './db.ts';
import { Problem } from './problem.ts';

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

/** Stores the MACs that a node's intent names. Throws when another node's intent names one of them. */
export async function storeIntendedMacs(tx: Tx, node: string, macs: string[]): Promise<void> {
  await tx.deleteFrom('intended_mac').where('node', '=', node).execute();
  for (const mac of [...new Set(macs)].sort()) {
    const stored = await tx
      .insertInto('intended_mac')
      .values({ mac, node })
      .onConflict((conflict) => conflict.column('mac').doNothing())
      .executeTakeFirst();
    if (stored.numInsertedOrUpdatedRows === 1n) continue;
    const other = await tx.selectFrom('intended_mac').select('node').where('mac', '=', mac).executeTakeFirst();
    throw new Problem(
      'conflict',
      `MAC ${mac} is intended for node ${other?.node ?? 'of another write'} already: a port is in one machine`,
    );
  }
}
