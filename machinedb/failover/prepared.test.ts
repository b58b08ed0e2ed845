import { CompiledQuery, sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { openDb } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { prepared } from './prepared.ts';

const { db, url } = await withDatabase();
const one = openDb({ url, max: 1, statementTimeoutMs: 30_000, onError: () => {} });
afterAll(() => one.destroy());

const read = async () => (await one.executeQuery(CompiledQuery.raw(prepared('reads_t', 'select a from t')))).rows;

test('a statement whose answer a newer daemon changed fails once, not for as long as its connection lives', async () => {
  await sql`create table t (a integer)`.execute(db);
  await sql`insert into t values (1)`.execute(db);
  expect(await read()).toEqual([{ a: 1 }]);
  const { rows } = await sql`select name from pg_prepared_statements`.execute(one);
  expect(rows).toEqual([{ name: 'reads_t' }]);
  await sql`alter table t alter column a type text`.execute(db);
  await expect(read()).rejects.toThrow('cached plan must not change result type');
  expect(await read()).toEqual([{ a: '1' }]);
});
