import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Book, type Inventory } from './book.ts';
import { cut, toNamed } from './chunk.ts';
import type { Entry } from './host.ts';

const textOf = ({ pieces }: Inventory) => Buffer.concat(pieces).toString();
const ids = Array.from({ length: 40 }, (_, i) => `00000000-0000-4000-8000-0000000000${String(i).padStart(2, '0')}`);

/** Few names for many nodes, so that they take them from each other. */
const entry = fc
  .record({
    id: fc.constantFrom(...ids),
    fqdn: fc.option(
      fc.integer({ min: 0, max: 60 }).map((n) => `f${n}`),
      { nil: undefined },
    ),
    reportedName: fc.option(fc.constantFrom('r1', 'r2', 'r3', 'f1', 'f2'), { nil: undefined }),
    groups: fc.subarray(['g1', 'g2', 'g3']),
    is: fc.boolean(),
    vars: fc.integer().map((n) => JSON.stringify({ n })),
  })
  .map(
    ({ id, fqdn, reportedName, groups, is, vars }): Entry => ({
      id,
      fqdn,
      host: is ? { reportedName: fqdn === undefined ? reportedName : undefined, groups, vars } : undefined,
    }),
  );

/** A name is one node's only: PostgreSQL sees to that. */
const fits = (entries: Map<string, Entry>) => {
  const names = [...entries.values()].flatMap(({ fqdn }) => fqdn ?? []);
  return new Set(names).size === names.length;
};

test('a book that was changed again and again is the one that its nodes make, text and ETag', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(entry, { maxLength: 12 }), fc.subarray(ids)), { maxLength: 8 }), (steps) => {
      const now = new Map<string, Entry>();
      const book = new Book();
      for (const [changed, gone] of steps) {
        const next = new Map(now);
        for (const id of gone.slice(0, 3)) next.delete(id);
        const unique = new Map(
          changed.filter(({ id }) => !gone.slice(0, 3).includes(id)).map((each) => [each.id, each]),
        );
        for (const each of unique.values()) next.set(each.id, each);
        if (!fits(next)) continue;
        now.clear();
        for (const [id, each] of next) now.set(id, each);
        book.update([...unique.values()], gone.slice(0, 3));
        const fresh = new Book([...now.values()].reverse());
        expect(textOf(book.inventory)).toBe(textOf(fresh.inventory));
        expect(book.inventory.etag).toBe(fresh.inventory.etag);
      }
      JSON.parse(textOf(book.inventory));
    }),
    { seed: 7, numRuns: 300 },
  );
});

const many = Array.from({ length: 20_000 }, (_, i): Entry => {
  const id = `${String(i).padStart(8, '0')}-0000-4000-8000-000000000000`;
  return {
    id,
    fqdn: `node${i}.example.net`,
    host: { reportedName: undefined, groups: ['all_of', `r${i % 50}`], vars: '{}' },
  };
});

test('a large fleet is cut where its names say, and a changed node changes one piece of it', () => {
  const named = many.map(({ fqdn, host }) => toNamed(fqdn!, host!)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const chunks = cut(named, []);
  expect(chunks.length).toBeGreaterThan(20);
  const other = named.map((each, i) => (i === 7 ? toNamed(each.name, { ...each.host, vars: '{"a":1}' }) : each));
  const after = cut(other, chunks);
  expect(after.filter((chunk) => !chunks.includes(chunk))).toHaveLength(1);
  const alone = cut(other, []);
  expect(alone.map(({ digest }) => digest)).toEqual(after.map(({ digest }) => digest));
});
