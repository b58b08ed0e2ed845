import { sql } from 'kysely';
import type { Db } from '../../machinedb/db.ts';

/**
 * Lets time go by: PostgreSQL's clock, by which the daemon judges, cannot be set, so all that it is compared with becomes older. What
 * was `ms` ago is as long ago as if the test had waited for it.
 */
export async function passTime(db: Db, ms: number): Promise<void> {
  const span = sql`make_interval(secs => ${ms / 1000})`;
  await db.transaction().execute(async (tx) => {
    await sql`update heartbeat set at = at - ${span}`.execute(tx);
    await sql`update node set created_at = created_at - ${span}, state_at = state_at - ${span}`.execute(tx);
    await sql`update fleet set listening_since = listening_since - ${span}, listening_at = listening_at - ${span}`.execute(
      tx,
    );
    await sql`update finding set first_seen = first_seen - ${span}, acknowledged_until = acknowledged_until - ${span}`.execute(
      tx,
    );
  });
}
