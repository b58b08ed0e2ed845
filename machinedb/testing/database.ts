import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import { type Db, openDb } from '../db.ts';
import { migrate } from '../migrate.ts';

export interface TestDatabase {
  url: string;
  db: Db;
}

/**
 * A fresh, migrated database for one test file, dropped after it.
 *
 * @param server URL of the PostgreSQL, without one that which the test run started (TEST_DATABASE_URL)
 */
export async function withDatabase(server = process.env.TEST_DATABASE_URL): Promise<TestDatabase> {
  if (server === undefined) throw new Error('TEST_DATABASE_URL is not set: run the tests by npm test');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`create database ${name}`);
  const address = new URL(server);
  address.pathname = `/${name}`;
  const url = address.toString();
  const db = openDb({ url, max: 10, statementTimeoutMs: 30_000, onError: () => {} });
  afterAll(async () => {
    await db.destroy();
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.end();
  });
  await migrate(db);
  return { url, db };
}
