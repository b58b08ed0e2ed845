import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { type Db, transaction } from '../db.ts';

/**
 * Names this unbroken history. A restored copy of a database has another origin (PostgreSQL's system identifier, the
 * database's oid, and the table's, which every restore makes anew), so it starts a new epoch, and cursors of the old one are answered with 410.
 */
export async function openEpoch(db: Db): Promise<string> {
  return await transaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(7100, 4)`.execute(tx);
    const { rows } = await sql<{ origin: string }>`
      select concat_ws('.', system_identifier, d.oid, 'event'::regclass::oid) as origin
      from pg_control_system(), pg_database d where datname = current_database()`.execute(tx);
    const { origin } = rows[0]!;
    const fleet = await tx.selectFrom('fleet').select(['epoch', 'origin']).executeTakeFirst();
    if (fleet?.origin === origin) return fleet.epoch;
    const epoch = randomBytes(4).toString('hex');
    await tx
      .insertInto('fleet')
      .values({ epoch, origin })
      .onConflict((conflict) => conflict.column('one').doUpdateSet({ epoch, origin }))
      .execute();
    return epoch;
  });
}
