import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { Hardware } from '../schema.ts';
import { identifying, SAME, score } from './match.ts';

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
 * The nodes that a machine could be. Claims that share a hint wait for each other until the transaction ends, so that two
 * claims of one machine cannot both make a node.
 */
export async function findMatches(tx: Tx, hardware: Hardware): Promise<Matches> {
  const hints = hintsOf(hardware);
  for (const hint of hints) await sql`select pg_advisory_xact_lock(7102, hashtext(${hint}))`.execute(tx);
  if (hints.length === 0) return { same: [], similar: [] };
  const rows = await tx
    .selectFrom('node_hint')
    .innerJoin('node', 'node.id', 'node_hint.node')
    .select(['node.id', 'node.hardware'])
    .distinctOn('node.id')
    .where('hint', 'in', hints)
    .where('state', '<>', 'retired')
    .orderBy('node.id')
    .limit(500)
    .execute();
  const mine = identifying(hardware);
  const same = rows.filter((row) => score(mine, identifying(row.hardware)) >= SAME).map(({ id }) => id);
  return { same, similar: rows.map(({ id }) => id).filter((id) => !same.includes(id)) };
}

/** Records what a node can be recognised by, in place of what was recorded before. */
export async function storeHints(tx: Tx, node: string, hardware: Hardware): Promise<void> {
  await tx.deleteFrom('node_hint').where('node', '=', node).execute();
  const rows = hintsOf(hardware).map((hint) => ({ hint, node }));
  if (rows.length > 0) await tx.insertInto('node_hint').values(rows).execute();
}
