import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { Overtaken, transaction } from './db.ts';
import { toDatabaseProblem } from './http/database-problem.ts';
import { withDatabase } from './testing/database.ts';

const { db } = await withDatabase();

test('100 two writes that deadlock are both done: PostgreSQL ends one, and it is tried again', async () => {
  await sql`create table pair (k int primary key, n int not null default 0)`.execute(db);
  await sql`insert into pair (k) values (1), (2)`.execute(db);
  let attempts = 0;
  const { promise: both, resolve: met } = Promise.withResolvers<void>();
  let waiting = 0;
  const add = (first: number, second: number) =>
    transaction(db, async (tx) => {
      attempts++;
      await sql`update pair set n = n + 1 where k = ${first}`.execute(tx);
      waiting++;
      if (waiting === 2) met();
      await both;
      await sql`update pair set n = n + 1 where k = ${second}`.execute(tx);
    });
  await Promise.all([add(1, 2), add(2, 1)]);
  expect(attempts).toBe(3);
  expect((await sql`select k, n from pair order by k`.execute(db)).rows).toEqual([
    { k: 1, n: 2 },
    { k: 2, n: 2 },
  ]);
});

test('100 a write that others overtake each time is given up after six attempts, with 503', async () => {
  let attempts = 0;
  const failed = await transaction(db, async () => {
    attempts++;
    throw new Overtaken('others were first');
  }).catch((error: unknown) => error);
  expect(attempts).toBe(6);
  const problem = toDatabaseProblem(failed);
  expect([problem?.status, problem?.retryAfter]).toEqual([503, 1]);
});
