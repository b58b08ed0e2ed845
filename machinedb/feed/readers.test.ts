import fc from 'fast-check';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { openEpoch } from './epoch.ts';
import { append } from './feed.ts';
import { openFeedReader } from './feed-reader.ts';

const { db, url } = await withDatabase();
const feed = openFeedReader(db, await openEpoch(db), url, pino({ level: 'silent' }));
afterAll(() => feed.close());
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const write = fc.record({
  revisions: fc.uniqueArray(fc.constantFrom('tags', 'mode', 'time'), { maxLength: 3 }),
  events: fc.integer({ min: 0, max: 3 }),
  // Between the places in the feed and the commit: that is where a reader could overtake.
  pauseMs: fc.integer({ min: 0, max: 8 }),
  fails: fc.boolean(),
});
const reader = fc.record({
  limit: fc.integer({ min: 1, max: 7 }),
  pauseMs: fc.integer({ min: 0, max: 5 }),
  // A reader that begins anew from its cursor after so many pages, as after a break of the connection.
  breaks: fc.boolean(),
});

class Refused extends Error {}

test('readers that follow concurrent writers see each item that was committed once, in order, and no other', async () => {
  let run = 0;
  let value = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(write, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 6 }),
      fc.array(reader, { minLength: 1, maxLength: 3 }),
      async (writers, readers) => {
        run++;
        const from = await feed.latest();
        const committed: number[] = [];
        let over = false;
        const writing = writers.map(async (writes, w) => {
          for (const { revisions, events, pauseMs, fails } of writes) {
            const common = { subject: `role/${run}-${w}`, side: 'intended', source: 'operator', actor: 'a' } as const;
            const sections = revisions.map((section) => ({ ...common, section, data: { value: value++ } }));
            const acts = Array.from({ length: events }, () => ({ kind: 'k', subject: 'fleet', actor: 'a' }));
            const work = transaction(db, async (tx) => {
              const written = await append(tx, sections, acts);
              await pause(pauseMs);
              if (fails) throw new Refused();
              return [...written.revisions, ...written.events].map((place) => place!.seq);
            });
            committed.push(...(await work.catch((error) => (error instanceof Refused ? [] : Promise.reject(error)))));
          }
        });
        const reading = readers.map(async ({ limit, pauseMs, breaks }) => {
          const seen: number[] = [];
          let cursor = from;
          for (;;) {
            const last = over;
            const page = await feed.read(cursor, limit);
            seen.push(...page.items.map((item) => Number(item.cursor.split('.')[1])));
            // The page's own cursor, or that of the last item which came.
            cursor = breaks ? (page.items.at(-1)?.cursor ?? cursor) : page.cursor;
            if (last && page.items.length === 0) return seen;
            await pause(pauseMs);
          }
        });
        await Promise.all(writing);
        over = true;
        const expected = committed.sort((a, b) => a - b);
        for (const seen of await Promise.all(reading)) expect(seen).toEqual(expected);
      },
    ),
    { seed: 11, numRuns: 12 },
  );
}, 60_000);
