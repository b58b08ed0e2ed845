import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Hot } from '../nodes/hot.ts';
import { NodesRefused, type RefusedNode } from '../places/refused.ts';
import { isOpen } from './findings.ts';

/** What a projection makes of one node's row in node_now. */
export interface Update extends Hot {
  node: string;
  /** The name that it has so far. */
  named: string | undefined;
  /** What is wanted of it, when that is another than before, and signed anew. */
  wanted?: Record<string, unknown> | undefined;
  generation: number;
  /** Saved groups that it belongs to. */
  groups: string[];
  signature?: string;
  key?: string;
}

/**
 * Stores the rows of some nodes at once, with how many findings are open: store those before. Rows that stay as they are cost no
 * write. Throws NodesRefused when two nodes would have one name.
 */
export async function storeUpdates(tx: Tx, updates: Update[]): Promise<void> {
  await checkNames(tx, updates);
  await storeRows(tx, updates);
}

/** A name belongs to one machine. The unique index decides; this says of every name whose it is. */
async function checkNames(tx: Tx, updates: Update[]): Promise<void> {
  const renamed = updates
    .filter(({ fqdn, named }) => fqdn !== undefined && fqdn !== named)
    .map(({ node, fqdn }) => ({ node, fqdn }));
  if (renamed.length === 0) return;
  // Asked by a list of names: as a join, PostgreSQL would read all nodes.
  const { rows } = await sql<{ fqdn: string; node: string }>`
    select fqdn, node from node_now where fqdn = any (${renamed.map(({ fqdn }) => fqdn!)})`.execute(tx);
  const holders = new Map(rows.map(({ fqdn, node }) => [fqdn, node]));
  const refused: RefusedNode[] = [];
  const first = new Map<string, string>();
  for (const { node, fqdn } of renamed) {
    const [has, asks] = [holders.get(fqdn!), first.get(fqdn!)];
    if (has !== undefined && has !== node) {
      const message = `the name ${fqdn} belongs to node ${has} already: take another, or rename that node first`;
      refused.push(taken(node, has, message));
    } else if (asks !== undefined) {
      refused.push(taken(node, asks, `the name ${fqdn} is asked for by node ${asks}, too: it belongs to one machine`));
    } else first.set(fqdn!, node);
  }
  if (refused.length > 0) throw new NodesRefused(refused);
}

function taken(node: string, holder: string, message: string): RefusedNode {
  const errors = [{ detail: message, pointer: '/hostname' }];
  return { node, holder, problem: new Problem('conflict', message, { errors }) };
}

async function storeRows(tx: Tx, updates: Update[]): Promise<void> {
  await sql`
    with u as materialized (
      select x.*, (select count(*) from finding f where f.node = x.node and ${isOpen}) as open
      from json_to_recordset(${JSON.stringify(updates)}::json) as
        x(node uuid, wanted jsonb, generation bigint, signature text, key text, fqdn text, observed_name text, site text,
          rack text, unit int, role text, tags text[], groups text[], mode text, model text, serial text, uuid text, macs text[]))
    update node_now n set
      wanted = coalesce(u.wanted, n.wanted), generation = u.generation,
      signature = coalesce(u.signature, n.signature), signing_key = coalesce(u.key, n.signing_key),
      fqdn = u.fqdn, observed_name = coalesce(u.observed_name, n.observed_name), site = u.site, rack = u.rack, unit = u.unit,
      role = u.role, tags = u.tags, groups = u.groups, mode = u.mode, model = u.model, serial = u.serial, uuid = u.uuid, macs = u.macs,
      findings = u.open
    from u where n.node = u.node and n.node = any (${updates.map(({ node }) => node)}::uuid[]) and (u.wanted is not null
      or (n.fqdn, n.observed_name, n.site, n.rack, n.unit, n.role, n.tags, n.groups, n.mode, n.model, n.serial, n.uuid, n.macs, n.findings)
        is distinct from
        (u.fqdn, coalesce(u.observed_name, n.observed_name), u.site, u.rack, u.unit, u.role, u.tags, u.groups, u.mode, u.model, u.serial,
          u.uuid, u.macs, u.open))`.execute(tx);
}
