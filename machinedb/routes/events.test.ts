import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { append } from '../feed/feed.ts';
import { openFeedReader } from '../feed/feed-reader.ts';
import { withDatabase } from '../testing/database.ts';
import { eventRoutes } from './events.ts';

const { db, url } = await withDatabase();
const epoch = await openEpoch(db);
const feed = openFeedReader(db, epoch, url, pino({ level: 'silent' }));
afterAll(() => feed.close());
const events = async (query: object) => await eventRoutes.events({ feed } as never, { input: { query } } as never);

test('pages of events follow each other without gap, and only a page with more after it has a next', async () => {
  expect(await events({})).toEqual({ items: [], cursor: `${epoch}.0` });
  const kinds = ['a', 'b', 'c', 'd'];
  const all = kinds.map((kind) => ({ kind, subject: 'fleet', actor: 'test', reason: `why ${kind}` }));
  await transaction(db, (tx) => append(tx, [], all));
  const first = await events({ limit: 3 });
  expect(first.next).toBe(first.cursor);
  const second = await events({ cursor: first.next, limit: 3 });
  expect([...first.items, ...second.items].map(({ kind }) => kind)).toEqual(kinds);
  expect(second).not.toHaveProperty('next');
  expect(await events({ cursor: second.cursor })).toEqual({ items: [], cursor: second.cursor });
  expect(await events({ cursor: 'now' })).toEqual({ items: [], cursor: second.cursor });
  expect(await events({ limit: 4 })).not.toHaveProperty('next');
});
