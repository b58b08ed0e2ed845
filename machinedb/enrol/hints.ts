import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { Hardware } from '../schema.ts';
import { identifying, isSame } from './match.ts';

/** The texts by which a machine is looked up. */
export function hintsOf(hardware: Hardware): string[] {
  const { uuid, serial, board_serial, macs = [] } = identifying(hardware);
  return [
    ...(uuid === undefined ? [] : [`uuid:${uuid}`]),
    ...(serial === undefined ? [] : [`serial:${serial}`]),
    ...(board_serial === undefined ? [] : [`board:${board_serial}`]),
    ...macs.map((mac) => `mac:${mac}`),
  ].sort();
}

export interface Matches {
  /** Nodes that are this machine, by their score. More than one: nobody can tell. */
  same: string[];
  /** Nodes that share something with it, though not enough. */
  similar: string[];
}

/**
 * Lets claims that share any of these texts wait for each other until the transaction ends. Always in the order of the
 * locks' numbers, so that two claims never wait for one another.
 */
export async function lockHints(tx: Tx, hints: string[]): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(7102, key)
    from (select distinct hashtext(hint) as key from unnest(${hints}::text[]) as hint order by key) as keys`.execute(
    tx,
  );
}

/** The nodes that a machine could be; those that share most with it are looked at first. Call lockHints() before. */
export async function findMatches(tx: Tx, hardware: Hardware): Promise<Matches> {
  const hints = hintsOf(hardware);
  if (hints.length === 0) return { same: [], similar: [] };
  const { rows } = await sql<{ id: string; hardware: Hardware }>`
    select node.id, node.hardware
    from (select node, count(*) as shared from node_hint where hint = any (${hints}::text[]) group by node) as found
    join node on node.id = found.node
    where node.state <> 'retired'
    order by found.shared desc, node.id limit 500`.execute(tx);
  const mine = identifying(hardware);
  const same = rows.filter((row) => isSame(mine, identifying(row.hardware))).map(({ id }) => id);
  return { same, similar: rows.map(({ id }) => id).filter((id) => !same.includes(id)) };
}

/** Records what a node can be recognised by, in place of what was recorded before. */
export async function storeHints(tx: Tx, node: string, hardware: Hardware): Promise<void> {
  await tx.deleteFrom('node_hint').where('node', '=', node).execute();
  const rows = hintsOf(hardware).map((hint) => ({ hint, node }));
  if (rows.length > 0) await tx.insertInto('node_hint').values(rows).execute();
}
