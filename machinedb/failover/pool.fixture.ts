// Asks a database (its URL) 300 times for 500 rows, as a process of its own, and prints how many bytes more are with the objects that
// outlived the collections of young ones; pool-memory.test.ts starts it, with a heap so large that no full collection is due.
import { getHeapSpaceStatistics } from 'node:v8';
import { sql } from 'kysely';
import { openDb } from '../db.ts';

const db = openDb({ url: process.argv[2]!, max: 1, statementTimeoutMs: 30_000, onError: () => {} });
const ask = async (times: number) => {
  for (let i = 0; i < times; i++)
    await sql`select i, i::text as text, array[i, i + 1]::text[] as texts, now() + make_interval(secs => i) as at
      from generate_series(1, 500) as i`.execute(db);
};
const old = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size;
await ask(20);
const before = old();
await ask(300);
console.log(old() - before);
await db.destroy();
