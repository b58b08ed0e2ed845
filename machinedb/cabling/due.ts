import { sql } from 'kysely';
import type { Tx } from '../db.ts';

/** Has the cabling of nodes looked at again, soon. */
export async function dueCabling(tx: Tx, nodes: string[]): Promise<void> {
  if (nodes.length === 0) return;
  await sql`
    insert into cabling_due (node) select unnest(${nodes}::uuid[]) as node order by node on conflict do nothing`.execute(
    tx,
  );
}

/** Has all cables of a switch, by its device's name, looked at again. */
export async function dueSwitch(tx: Tx, device: string): Promise<void> {
  await sql`
    insert into cabling_due (node) select distinct node from cable where switch = ${device} order by node
    on conflict do nothing`.execute(tx);
}
