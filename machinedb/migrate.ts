import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Db } from './db.ts';

const directory = join(import.meta.dirname, 'migrations');

/** Which migrations a database has. */
export const MIGRATION_TABLE =
  'create table if not exists migration (name text primary key, digest text not null, at timestamptz not null default now())';

export interface Migration {
  /** Of its file. */
  name: string;
  /** SQL. */
  text: string;
  /** SHA-256 of the text, hexadecimal. */
  digest: string;
}

/**
 * Brings the database to this program's schema: each file of migrations/ once, in order, in a transaction of its own,
 * under a lock that makes daemons which start together wait. A database that is newer than this program is left alone
 * and used as it is: a newer daemon keeps what an older one needs. An applied file that has changed since is an error.
 */
export async function migrate(db: Db): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(7100, 2)`.execute(connection);
    try {
      await sql.raw(MIGRATION_TABLE).execute(connection);
      const { rows } = await sql<{ name: string; digest: string }>`select name, digest from migration`.execute(
        connection,
      );
      const applied = new Map(rows.map((row) => [row.name, row.digest]));
      for (const { name, text, digest } of migrations()) {
        const before = applied.get(name);
        if (before === digest) continue;
        if (before !== undefined) {
          throw new Error(
            `migration ${name} was applied with another content: use the MachineDB release that applied it`,
          );
        }
        await connection.transaction().execute(async (tx) => {
          await sql.raw(text).execute(tx);
          await sql`insert into migration (name, digest) values (${name}, ${digest})`.execute(tx);
        });
      }
    } finally {
      await sql`select pg_advisory_unlock(7100, 2)`.execute(connection);
    }
  });
}

/** All migrations of this program, in order. */
export function migrations(): Migration[] {
  return names().map((name) => {
    const text = readFileSync(join(directory, name), 'utf8');
    return { name, text, digest: createHash('sha256').update(text).digest('hex') };
  });
}

function names(): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort();
}

/** Throws unless every migration of this program is in the database. */
export async function checkMigrated(db: Db): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from migration`.execute(db);
  const applied = new Set(rows.map(({ name }) => name));
  const missing = names().find((name) => !applied.has(name));
  if (missing !== undefined) throw new Error(`migration ${missing} is not in the database: start this release once`);
}
