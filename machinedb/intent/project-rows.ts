import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Hot } from '../nodes/hot.ts';
import { NodesRefused, type RefusedNode } from '../places/refused.ts';

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

/** Stores the rows of some nodes at once. Throws NodesRefused when two nodes would have one name. */
export async function storeUpdates(tx: Tx, updates: Update[]): Promise<void> {
  await checkNames(tx, updates);
  await storeRows(tx, updates);
}

/** A name belongs to one machine. The unique index decides; this says of every name whose it is. */
async function checkNames(tx: Tx, updates: Update[]): Promise<void> {
  const named = updates.filter(({ fqdn }) => fqdn !== undefined).map(({ node, fqdn }) => ({ node, fqdn }));
  const { rows } = await sql<{ fqdn: string; node: string; holder: string }>`
    select n.fqdn, x.node, n.node as holder from json_to_recordset(${JSON.stringify(named)}::json) as x(node uuid, fqdn text)
    join node_now n on n.fqdn = x.fqdn and n.node <> x.node order by x.node`.execute(tx);
  const refused = rows.map(({ fqdn, node, holder }) =>
    taken(node, holder, `the name ${fqdn} belongs to node ${holder} already: take another, or rename that node first`),
  );
  const had = new Set(rows.map(({ node }) => node));
  const first = new Map<string, string>();
  for (const { node, fqdn } of named.filter((each) => !had.has(each.node))) {
    const holder = first.get(fqdn!);
    if (holder === undefined) first.set(fqdn!, node);
    else
      refused.push(
        taken(node, holder, `the name ${fqdn} is asked for by node ${holder}, too: it belongs to one machine`),
      );
  }
  if (refused.length > 0) throw new NodesRefused(refused);
}

function taken(node: string, holder: string, message: string): RefusedNode {
  const errors = [{ detail: message, pointer: '/hostname' }];
  return { node, holder, problem: new Problem('conflict', message, { errors }) };
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
