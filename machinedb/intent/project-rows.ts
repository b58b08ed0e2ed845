import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Hot } from '../nodes/hot.ts';

/** What a projection makes of one node's row in node_now. */
export interface Update extends Hot {
  node: string;
  wanted: Record<string, unknown>;
  generation: number;
  /** The wanted state is another one, and signed anew. */
  changed: boolean;
  /** Saved groups that it belongs to. */
  groups: string[];
  signature?: string;
  key?: string;
}

/** Stores the rows of some nodes at once. Throws when two nodes would have one name. */
export async function storeUpdates(tx: Tx, updates: Update[]): Promise<void> {
  await checkNames(tx, updates);
  await storeRows(tx, updates);
}

/** A name belongs to one machine. The unique index decides; this says whose it is. */
async function checkNames(tx: Tx, updates: Update[]): Promise<void> {
  const named = updates.filter(({ fqdn }) => fqdn !== undefined).map(({ node, fqdn }) => ({ node, fqdn }));
  const twice = named.find(({ fqdn }, i) => named.findIndex((other) => other.fqdn === fqdn) !== i);
  if (twice !== undefined)
    throw taken(`several nodes would have the name ${String(twice.fqdn)}: a name belongs to one machine`);
  const { rows } = await sql<{ fqdn: string; node: string }>`
    select n.fqdn, n.node from json_to_recordset(${JSON.stringify(named)}::json) as x(node uuid, fqdn text)
    join node_now n on n.fqdn = x.fqdn and n.node <> x.node
    where not exists (select from json_to_recordset(${JSON.stringify(updates.map(({ node }) => ({ node })))}::json) as u(node uuid) where u.node = n.node)
    limit 1`.execute(tx);
  if (rows[0] !== undefined)
    throw taken(
      `the name ${rows[0].fqdn} belongs to node ${rows[0].node} already: take another, or rename that node first`,
    );
}

function taken(message: string): Problem {
  return new Problem('conflict', message, { errors: [{ detail: message, pointer: '/hostname' }] });
}

async function storeRows(tx: Tx, updates: Update[]): Promise<void> {
  await sql`
    update node_now n set
      wanted = case when u.changed then u.wanted else n.wanted end,
      generation = u.generation,
      signature = case when u.changed then u.signature else n.signature end,
      signing_key = case when u.changed then u.key else n.signing_key end,
      fqdn = u.fqdn, observed_name = coalesce(u.observed_name, n.observed_name), site = u.site, rack = u.rack, unit = u.unit,
      role = u.role, tags = u.tags, groups = u.groups, mode = u.mode, model = u.model, serial = u.serial, uuid = u.uuid, macs = u.macs
    from json_to_recordset(${JSON.stringify(updates)}::json) as
      u(node uuid, wanted jsonb, generation bigint, changed boolean, signature text, key text, fqdn text, observed_name text, site text,
        rack text, unit int, role text, tags text[], groups text[], mode text, model text, serial text, uuid text, macs text[])
    where n.node = u.node`.execute(tx);
}
