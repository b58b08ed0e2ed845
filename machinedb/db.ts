import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import { openPool, type PoolOptions } from './failover/pool.ts';
import type { Database } from './schema.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;
/** What a function that only reads takes: either. */
export type Reader = Db | Tx;

// Sequence numbers, generations and counts stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
// An address or range stays the text that PostgreSQL prints.
const INET_ARRAY = 1041;
const CIDR_ARRAY = 651;
pg.types.setTypeParser(INET_ARRAY as number, pg.types.getTypeParser(1009 as number));
pg.types.setTypeParser(CIDR_ARRAY as number, pg.types.getTypeParser(1009 as number));

/** Opens a pool. It connects when first used; a server that is away makes single queries fail, never the pool. */
export function openDb(options: PoolOptions): Db {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: openPool(options) }) });
}

/** What a transaction read was changed by another before it had the lock: it is tried again, as after a deadlock. */
export class Overtaken extends Error {
  readonly code = '40001';
  /** What the next attempts take before all else, so that they cannot be overtaken again. */
  readonly hold: ((tx: Tx) => Promise<void>) | undefined;
  constructor(message?: string, hold?: (tx: Tx) => Promise<void>) {
    super(message);
    this.hold = hold;
  }
}

const RETRIED = new Set(['40001', '40P01', '55P03']);

/** Whether PostgreSQL rolled a transaction back only because of others: deadlock, serialization, lock time-out. */
export function isTransient(error: unknown): boolean {
  return error instanceof Error && RETRIED.has((error as { code?: string }).code ?? '');
}

const ATTEMPTS = 6;

/** Runs `work` in one transaction; tries at most 6 times, for about 1 s, when others were in the way. */
export async function transaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  let hold: Overtaken['hold'];
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(async (tx) => {
        await hold?.(tx);
        return await work(tx);
      });
    } catch (error) {
      if (attempt === ATTEMPTS || !isTransient(error)) throw error;
      if (error instanceof Overtaken) hold = error.hold ?? hold;
      await sleep(15 * 2 ** attempt);
    }
  }
}
