import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { beginNews, clearNews, readNews } from './node-changes.ts';

const { db } = await withDatabase();
const [a, b] = [randomUUID(), randomUUID()].sort() as [string, string];
await putNode(db, a, {});
await putNode(db, b, {});
beforeEach(() => beginNews(db));

const position = async () => await readNews(db, undefined);
const touch = (id: string) => sql`update node_now set unit = unit where node = ${id}`;

test('a change is told once, by whichever of the two tables, and a node that goes is told, too', async () => {
  let at = await position();
  expect(at.changed).toBeUndefined();
  const news = async () => {
    at = await readNews(db, at);
    return at.changed;
  };
  expect(await news()).toEqual([]);
  await touch(a).execute(db);
  expect(await news()).toEqual([a]);
  expect(await news()).toEqual([]);
  await sql`update node set hold = not hold where id = ${b}`.execute(db);
  await touch(b).execute(db);
  expect(await news()).toEqual([b]);
  const c = randomUUID();
  await putNode(db, c, {});
  expect(await news()).toEqual([c]);
  await sql`delete from node where id = ${c}`.execute(db);
  expect(await news()).toEqual([c]);
});

test('a transaction that ends after others which began later is not missed, and one that was rolled back is not told', async () => {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow = transaction(db, async (tx) => {
    await touch(a).execute(tx);
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  const before = await position();
  await touch(b).execute(db);
  const between = await readNews(db, before);
  expect(between.changed).toEqual([b]);
  end.resolve();
  await slow;
  expect((await readNews(db, between)).changed).toEqual([a]);
  const undone = transaction(db, async (tx) => {
    await touch(a).execute(tx);
    throw new Error('no');
  });
  await expect(undone).rejects.toThrow('no');
  const after = await position();
  expect((await readNews(db, after)).changed).toEqual([]);
});

test('whoever was away for longer than changes are kept is told to read everything', async () => {
  const old = await position();
  await touch(a).execute(db);
  await transaction(db, (tx) => clearNews(tx, 60_000));
  expect((await readNews(db, old)).changed).toEqual([a]);
  // What is cleared away is what was marked the time before.
  // A transaction that is open elsewhere, in any database, keeps what began after it.
  let late = old;
  const changed = async () => {
    late = await position();
    await transaction(db, (tx) => clearNews(tx, 0));
    return (await readNews(db, old)).changed;
  };
  await expect.poll(changed, { timeout: 20_000 }).toBeUndefined();
  await touch(b).execute(db);
  expect((await readNews(db, late)).changed).toEqual([b]);
});

test('after a crash, which empties both tables, everything is read anew', async () => {
  const old = await position();
  await sql`truncate node_change, node_change_life`.execute(db);
  expect(await readNews(db, old)).toMatchObject({ life: '', changed: undefined });
  await beginNews(db);
  const anew = await readNews(db, old);
  expect(anew.changed).toBeUndefined();
  expect((await readNews(db, anew)).changed).toEqual([]);
});
