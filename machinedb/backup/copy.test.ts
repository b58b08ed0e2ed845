import pg from 'pg';
import { expect, test } from 'vitest';
import { withDatabase } from '../testing/database.ts';
import { copyOut } from './copy.ts';

const { url } = await withDatabase();

// node-postgres hands on views of a buffer that it uses again for what comes next: seen as a backup that could not be restored.
test('rows of all sizes come as they are, however they fall into the pieces that the socket reads', async () => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const size = (n: number) => 1 + ((n * 7919) % 4001);
  const letter = (n: number) => String.fromCharCode(97 + (n % 26));
  const rows = Array.from({ length: 20_000 }, (_, i) => `${i}\t${letter(i).repeat(size(i))}\n`);
  const text = `copy (select n, repeat(chr(97 + n % 26), 1 + (n * 7919) % 4001) from generate_series(0, 19999) as n) to stdout`;
  let at = 0;
  let wrong = 0;
  const expected = Buffer.from(rows.join(''));
  for await (const chunk of copyOut(client, text)) {
    if (!expected.subarray(at, at + (chunk as Buffer).length).equals(chunk as Buffer)) wrong += 1;
    at += (chunk as Buffer).length;
  }
  await client.end();
  expect([at, wrong]).toEqual([expected.length, 0]);
});
