import { sql } from 'kysely';
import type { Db } from '../db.ts';

/** Has the backends of these pools tell PostgreSQL's statistics what they did so far; each would by itself, but later. */
export async function flushStatistics(...pools: Db[]): Promise<void> {
  const flush = (on: Db) => sql`select pg_stat_force_next_flush() from pg_sleep(0.2)`.execute(on);
  // As many at once as a pool has connections.
  await Promise.all(pools.flatMap((on) => Array.from({ length: 10 }, () => flush(on))));
}

/** Deadlocks that PostgreSQL ended in the database of these pools so far. */
export async function deadlocks(...pools: [Db, ...Db[]]): Promise<number> {
  await flushStatistics(...pools);
  const { rows } = await sql<{ deadlocks: number }>`
    select deadlocks from pg_stat_database where datname = current_database()`.execute(pools[0]);
  return rows[0]!.deadlocks;
}
