import { sql } from 'kysely';
import type { Tx } from '../db.ts';

/** Until this transaction ends, no other makes a node. The first lock of all that a transaction takes: those who make nodes wait. */
export async function holdArrivals(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(7100, 23)`.execute(tx);
}

/** Before nodes are made: waits for whoever holds them up. Comes before the locks of subjects and nodes. */
export async function arrive(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(7100, 23)`.execute(tx);
}
