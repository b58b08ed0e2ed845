import { sql } from 'kysely';
import type { Reader, Tx } from '../db.ts';
import { type Kek, seal, unseal } from './seal.ts';

/** Names that people give are kept apart from the service's own keys (`machinedb/...`). */
export const USER_SECRET = 'user/';

export interface OpenSecret {
  name: string;
  generation: number;
  value: Buffer;
  public: Record<string, unknown>;
  created_at: Date;
  retired_at: Date | null;
}

/** Lets the writers of one secret wait for each other until the transaction ends. */
export async function lockSecret(tx: Tx, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(7101, hashtext(${name}))`.execute(tx);
}

/** Retires all generations of a secret but the two newest. */
export async function retireOld(tx: Tx, name: string): Promise<void> {
  await sql`
    update secret set retired_at = now() where name = ${name} and retired_at is null and generation < (
      select max(generation) - 1 from secret where name = ${name})`.execute(tx);
}

/** Stores a value as the next generation of a secret. Answers that generation. */
export async function putSecret(
  tx: Tx,
  kek: Kek,
  name: string,
  value: Buffer,
  details: Record<string, unknown> = {},
): Promise<number> {
  await lockSecret(tx, name);
  const { last } = await tx
    .selectFrom('secret')
    .select(sql<number>`coalesce(max(generation), 0)`.as('last'))
    .where('name', '=', name)
    .executeTakeFirstOrThrow();
  const generation = last + 1;
  await tx
    .insertInto('secret')
    .values({
      name,
      generation,
      sealed_by: kek.id,
      ...seal(kek, value, `${name}/${generation}`),
      public: JSON.stringify(details),
    })
    .execute();
  return generation;
}

/** All generations of a secret that are not retired, newest first, opened. */
export async function openSecrets(db: Reader, kek: Kek, name: string): Promise<OpenSecret[]> {
  const rows = await db
    .selectFrom('secret')
    .selectAll()
    .where('name', '=', name)
    .where('retired_at', 'is', null)
    .orderBy('generation', 'desc')
    .execute();
  return rows.map((row) => ({ ...row, value: unseal(kek, row, `${row.name}/${row.generation}`) }));
}
