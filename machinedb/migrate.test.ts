import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { openDb } from './db.ts';
import { checkMigrated, migrate, migrations } from './migrate.ts';

const name = `test_${randomBytes(6).toString('hex')}`;
const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
await admin.connect();
await admin.query(`create database ${name}`);
const url = new URL(process.env.TEST_DATABASE_URL!);
url.pathname = `/${name}`;
const open = () => openDb({ url: url.toString(), max: 4, statementTimeoutMs: 30_000, onError: () => {} });
const db = open();
afterAll(async () => {
  await db.destroy();
  await admin.query(`drop database if exists ${name} with (force)`);
  await admin.end();
});

const applied = async () =>
  (await sql<{ name: string }>`select name from migration order by name`.execute(db)).rows.map((row) => row.name);

test('101 a migration that is cut off anywhere is begun again: each file is in the database whole, or not at all', async () => {
  const random = randomOf(7);
  for (let attempt = 0; attempt < 6; attempt++) {
    // Connections of its own: one that was idle when it was ended is noticed by its next user.
    const cutOff = open();
    const done = migrate(cutOff).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 40 * random()));
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
    await done;
    await cutOff.destroy();
  }
  await migrate(db);
  await checkMigrated(db);
  expect(await applied()).toEqual(migrations().map((migration) => migration.name));
});

test('101 daemons that start together migrate once', async () => {
  await Promise.all([migrate(db), migrate(db), migrate(db)]);
  expect(await applied()).toEqual(migrations().map((migration) => migration.name));
});

test('101 a program that is older than the database leaves it as it is; one whose own migration is another refuses', async () => {
  await sql`insert into migration (name, digest) values ('9999_later.sql', 'd')`.execute(db);
  await migrate(db);
  expect((await applied()).at(-1)).toBe('9999_later.sql');
  await sql`delete from migration where name = '9999_later.sql'`.execute(db);
  const [first] = migrations();
  await sql`update migration set digest = 'other' where name = ${first!.name}`.execute(db);
  await expect(migrate(db)).rejects.toThrow(
    `migration ${first!.name} was applied with another content: use the MachineDB release that applied it`,
  );
});

/** The same numbers in [0, 1) each time. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
