import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { Node } from '../../shared/api/nodes.ts';
import { historyOf } from '../feed/history.ts';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { findingsAt } from './findings-at.ts';
import { detailNow } from './node-detail.ts';
import { listNodes } from './node-list.ts';
import { nodeForRead, nodeForWrite } from './node-ref.ts';
import { sectionsAt, wantedAt } from './sections-at.ts';

const { db } = await withDatabase();
const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const web = (unit: number) => ({
  observed: { system: { product: 'R750', serial: 'S1' }, nics: { a: { mac: 'aa:bb:cc:dd:ee:01' } } },
  wanted: {
    hostname: { hostname: 'web', domain: 'example.com' },
    placement: { site: 'ber', rack: 'r1', unit },
    role: { name: 'web' },
    tags: { blue: true },
  },
});
const now = async () => (await sql<{ at: Date }>`select clock_timestamp() as at`.execute(db)).rows[0]!.at.toISOString();
// The present says when the last report came, the past when the last one that changed something did.
const withoutReport = ({ observed_at, ...rest }: Node) => rest;
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

test('a past list, node, and section are what was answered then', async () => {
  await putNode(db, id(1), web(1));
  await putNode(db, id(2), { observed: { system: { serial: 'S2' } } });
  await pause();
  const then = await now();
  const before = {
    list: await listNodes(db, {}),
    node: await detailNow(db, id(1)),
    wanted: await wantedAt(db, id(1), undefined),
  };
  await pause();
  await putNode(db, id(1), { ...web(9), observed: { system: { product: 'R760', serial: 'S9' } } });
  await putNode(db, id(2), { observed: { system: { serial: 'S2' } }, state: 'retired' });
  await putNode(db, id(3), {});

  const past = await listNodes(db, { as_of: then });
  expect(past.items.map(withoutReport)).toEqual(before.list.items.map(withoutReport));
  expect(await sectionsAt(db, id(1), 'observed', then)).toEqual(before.node.observed);
  expect((await wantedAt(db, id(1), then)).wanted).toEqual(before.wanted.wanted);
  expect((await listNodes(db, { as_of: then, q: 's1' })).items.map((node) => node.id)).toEqual([id(1)]);
  expect((await listNodes(db, { as_of: then, site: 'ber', tag: 'blue', state: 'retired' })).items).toEqual([]);
  expect((await findingsAt(db, then, { node: id(1) })).map(({ message }) => message)).toEqual([
    'hostname has not been reported, so nobody knows whether it is as wanted',
  ]);
  expect((await listNodes(db, { as_of: '1999-01-01T00:00:00Z' })).items).toEqual([]);
});

test('pages by key skip nothing and repeat nothing, now and then', async () => {
  for (const as_of of [undefined, await now()]) {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listNodes(db, { limit: 2, cursor, as_of });
      seen.push(...page.items.map((node) => node.id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen).toEqual([id(1), id(2), id(3)]);
  }
});

test('filters narrow the list, and their wildcards are plain text', async () => {
  const ids = async (query: object) => (await listNodes(db, query)).items.map((node) => node.id);
  expect(await ids({ role: 'web', site: 'ber', rack: 'r1', tag: 'blue' })).toEqual([id(1)]);
  expect(await ids({ state: 'retired' })).toEqual([id(2)]);
  expect(await ids({ q: 'WEB.example' })).toEqual([id(1)]);
  expect(await ids({ q: '%' })).toEqual([]);
  expect(await ids({ health: 'unreachable' })).toEqual([]);
});

test('91 a cursor that was tampered with is refused', async () => {
  const { next } = await listNodes(db, { limit: 1 });
  await expect(listNodes(db, { cursor: `A${next}` })).rejects.toThrow(
    'the cursor is not one that a list gave: start again without it',
  );
});

test('history goes back from the newest, page by page', async () => {
  const all = await historyOf(db, 'e', `node/${id(1)}`, {});
  const first = await historyOf(db, 'e', `node/${id(1)}`, { limit: 3 });
  const rest = await historyOf(db, 'e', `node/${id(1)}`, { limit: 100, cursor: first.next });
  expect([...first.items, ...rest.items]).toEqual(all.items);
  const seqs = all.items.map(({ cursor }) => Number(cursor.split('.')[1]));
  expect(seqs).toEqual([...seqs].sort((a, b) => b - a));
  const system = await historyOf(db, 'e', `node/${id(1)}`, { section: 'system' });
  expect(system.items.map(({ data }) => data)).toEqual([
    { product: 'R760', serial: 'S9' },
    { product: 'R750', serial: 'S1' },
  ]);
});

test('reads take names and serials, writes only ids and intended names', async () => {
  expect(await nodeForRead(db, 'serial:S9')).toBe(id(1));
  await putNode(db, id(4), { observed: { nics: { a: { mac: 'aa:bb:cc:dd:ee:02' } } } });
  expect(await nodeForRead(db, 'mac:AA:bb:cc:dd:ee:02')).toBe(id(4));
  expect(await nodeForWrite(db, 'WEB.example.com')).toBe(id(1));
  await expect(nodeForRead(db, 'x')).rejects.toThrow('there is no node "x": machinedb nodes lists them');
  await expect(nodeForWrite(db, 'serial:S9')).rejects.toThrow(
    'there is no node "serial:S9" by id or intended FQDN: machinedb nodes lists them',
  );
  await putNode(db, id(4), { observed: { system: { serial: 'S9' } } });
  await expect(nodeForRead(db, 'serial:S9')).rejects.toThrow(
    `"serial:S9" fits several nodes (${id(1)}, ${id(4)}): use an id`,
  );
});
