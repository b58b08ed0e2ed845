import fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { listQuarantine } from '../identity/quarantine.ts';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { listParts, partHistory } from './read.ts';
import { rebuildOldParts, rebuildParts } from './rebuild.ts';

const { db, keys, node } = await withIntents();
const reports = createReports(db, keys, createMetrics());
let seq = 0;

/** A report of the memory modules in these slots: slot → serial number. */
async function memory(id: string, modules: Record<string, string>, more: Record<string, unknown> = {}): Promise<void> {
  seq += 1;
  const dimms = Object.fromEntries(Object.entries(modules).map(([slot, serial]) => [slot, { serial, part: 'P1' }]));
  const sections = { memory: { dimms, ...more } };
  await reports.put(id, { boot_id: 'boot', seq, version: '1', sections }, `${seq}`);
}
const beat = (id: string) =>
  sql`insert into heartbeat (node, at, lease_ms, boot_id, seq) values (${id}, now(), 60000, 'boot', 1)
    on conflict (node) do update set at = now()`.execute(db);
const events = async (id: string, kind: string) =>
  (
    await db
      .selectFrom('event')
      .select(['data', 'reason'])
      .where('subject', '=', `node/${id}`)
      .where('kind', '=', kind)
      .orderBy('seq')
      .execute()
  ).map(({ data }) => data);
const doubts = async (id: string) => (await listQuarantine(db, { node: id, closed: true })).items;
const places = async (serial: string) =>
  (await partHistory(db, serial)).items[0]!.seen.map(({ node: id, slot, until }) => [id, slot, until === undefined]);
const moved = (serial: string, from: [string, string], to: [string, string]) => ({
  ...{ kind: 'dimm', serial, model: 'P1' },
  ...{ from: { node: from[0], slot: from[1] }, to: { node: to[0], slot: to[1] } },
});

test('a part that went from one node and came to another has moved: one event names both, its history has all slots', async () => {
  const [a, b] = [await node(), await node()];
  await Promise.all([beat(a), beat(b)]);
  await memory(a, { A1: 'MOVED1' });
  await memory(a, { A2: 'MOVED1' });
  await memory(a, {});
  await memory(b, { B7: 'MOVED1' });
  expect(await places('MOVED1')).toEqual([
    [b, 'B7', true],
    [a, 'A2', false],
    [a, 'A1', false],
  ]);
  expect(await events(b, 'part.moved')).toEqual([moved('MOVED1', [a, 'A2'], [b, 'B7'])]);
  expect(await events(a, 'part.moved')).toEqual([]);
  expect((await listParts(db, { node: b })).items).toMatchObject([
    { kind: 'dimm', serial: 'MOVED1', model: 'P1', slot: 'B7' },
  ]);
  expect((await listParts(db, { node: a })).items).toEqual([]);
  expect(await doubts(b)).toEqual([]);
  // Another slot of the same machine is no move, wherever the part was before.
  await memory(b, { B2: 'MOVED1' });
  expect(await events(b, 'part.moved')).toHaveLength(1);
});

test('a part is in a slot from the report that tells of it until just before the one that does not', async () => {
  const id = await node();
  await memory(id, { A1: 'TIMES1' });
  await memory(id, {});
  const { rows } = await sql<{ since: string; until: string }>`
    select since::text, until::text from part_seen where serial = 'TIMES1'`.execute(db);
  const { since, until } = rows[0]!;
  const at = async (as_of: string) => (await listParts(db, { node: id, as_of })).items.map(({ serial }) => serial);
  expect([await at(since), await at(until)]).toEqual([['TIMES1'], []]);
});

test('what a merged node had is the other one’s: it has not moved, and is in no list under the old id', async () => {
  const [a, b] = [await node(), await node()];
  await Promise.all([beat(a), beat(b)]);
  await memory(a, { A1: 'MERGED1' });
  await db.updateTable('node').set({ merged_into: b, merged: '{}' }).where('id', '=', a).execute();
  await memory(b, { A1: 'MERGED1' });
  expect([await events(b, 'part.moved'), await doubts(b)]).toEqual([[], []]);
  const all = (await listParts(db, { limit: 1000 })).items.filter(({ serial }) => serial === 'MERGED1');
  expect(all.map((part) => part.node)).toEqual([b]);
  expect((await partHistory(db, 'merged1')).items[0]!.seen).toHaveLength(2);
});

test('a part of a node that is silent has moved when another reports it; the silent one is asked for its own word', async () => {
  const [a, b] = [await node(), await node()];
  await memory(a, { A1: 'SILENT1' });
  await memory(b, { B1: 'SILENT1' });
  expect(await events(b, 'part.moved')).toEqual([moved('SILENT1', [a, 'A1'], [b, 'B1'])]);
  expect(await places('SILENT1')).toEqual([
    [b, 'B1', true],
    [a, 'A1', true],
  ]);
  await memory(a, {});
  expect((await places('SILENT1'))[1]).toEqual([a, 'A1', false]);
  expect(await doubts(b)).toEqual([]);
});

test('a part that two living nodes report is a doubt for a person, no move; it ends by itself when one no longer does', async () => {
  const [a, b] = [await node(), await node()];
  await Promise.all([beat(a), beat(b)]);
  await memory(a, { A1: 'TWICE1' });
  await memory(b, { B1: 'TWICE1' });
  expect(await events(b, 'part.moved')).toEqual([]);
  expect(await events(b, 'alarm.identity')).toEqual([
    { nodes: [a], count: 1, quarantine: 'part', key: 'dimm TWICE1 P1' },
  ]);
  expect(await doubts(b)).toMatchObject([
    {
      ...{ node: b, kind: 'part', part: 'dimm TWICE1 P1', candidates: [{ node: a }] },
      why: 'dimm TWICE1 P1 is reported by 2 nodes at once: two parts with one number, or a report that is not true',
    },
  ]);
  await memory(a, {});
  expect((await doubts(b))[0]!.closed).toMatchObject({ decision: 'resolved', by: 'system' });
  expect(await events(b, 'part.moved')).toEqual([moved('TWICE1', [a, 'A1'], [b, 'B1'])]);
});

test('a doubt about three nodes ends when one of them is left, and one event tells where the part is', async () => {
  const [a, b, c] = [await node(), await node(), await node()];
  await Promise.all([beat(a), beat(b), beat(c)]);
  for (const [id, slot] of [
    [a, 'A1'],
    [b, 'B1'],
    [c, 'C1'],
  ] as const)
    await memory(id, { [slot]: 'THRICE1' });
  const open = async () => (await Promise.all([doubts(b), doubts(c)])).map(([doubt]) => doubt!.closed === undefined);
  await memory(a, {});
  expect([await open(), await events(c, 'part.moved')]).toEqual([[true, true], []]);
  await memory(b, {});
  expect(await open()).toEqual([false, false]);
  expect(await events(c, 'part.moved')).toEqual([moved('THRICE1', [b, 'B1'], [c, 'C1'])]);
});

test('75: a number that many nodes report is a maker’s, and no doubt', async () => {
  const ids = [await node(), await node(), await node(), await node()];
  for (const id of ids) await memory(id, { A1: 'SHARED1' });
  expect(await doubts(ids[3]!)).toEqual([]);
  expect(await events(ids[3]!, 'part.moved')).toEqual([]);
  expect(await places('SHARED1')).toHaveLength(4);
});

test('one serial number of two models is two parts', async () => {
  const [a, b] = [await node(), await node()];
  await Promise.all([beat(a), beat(b)]);
  await memory(a, { A1: 'SAME1' });
  const dimms = { A1: { serial: 'SAME1', part: 'P2' } };
  await reports.put(b, { boot_id: 'boot', seq: ++seq, version: '1', sections: { memory: { dimms } } }, `${seq}`);
  expect((await partHistory(db, 'SAME1')).items.map(({ model }) => model).sort()).toEqual(['P1', 'P2']);
  expect(await doubts(b)).toEqual([]);
});

test('a report writes only the parts that changed', async () => {
  const id = await node();
  const rows = async () =>
    (await sql`select *, xmin::text from part_seen where node = ${id} order by serial`.execute(db)).rows;
  await memory(id, { A1: 'KEPT1', A2: 'KEPT2' });
  const before = await rows();
  await memory(id, { A1: 'KEPT1', A2: 'KEPT2' }, { total_bytes: 7 });
  expect(await rows()).toEqual(before);
  await memory(id, { A1: 'KEPT1', A2: 'KEPT3' });
  expect((await rows())[0]).toEqual(before[0]);
  expect(await rows()).toHaveLength(3);
});

test('the history of parts is what a rebuild from the revisions makes', async () => {
  const nodes = [await node(), await node(), await node()];
  const slots = fc.dictionary(fc.constantFrom('A1', 'A2', 'B1'), fc.constantFrom('R1', 'R2', 'R3', 'R4', '0000'));
  const all = async () =>
    (
      await sql`select kind, serial, model, node, slot, since::text, until::text from part_seen
        where node = any (${nodes}::uuid[]) order by node, slot, serial, since`.execute(db)
    ).rows;
  // Three nodes report at once, so that a batch holds what comes and what goes.
  for (const round of fc.sample(fc.tuple(slots, slots, slots), { numRuns: 12, seed: 7 })) {
    await Promise.all(round.map((modules, i) => memory(nodes[i]!, modules)));
  }
  const followed = await all();
  expect(followed.length).toBeGreaterThan(20);
  await transaction(db, (tx) => rebuildParts(tx, nodes));
  expect(await all()).toEqual(followed);
});

test('nodes that were there before parts were followed get their history once', async () => {
  const id = await node();
  await memory(id, { A1: 'OLD1' });
  const before = await places('OLD1');
  await sql`delete from part_seen where node = ${id}`.execute(db);
  await db.updateTable('node').set({ parts_built: false }).where('id', '=', id).execute();
  await transaction(db, rebuildOldParts);
  await transaction(db, rebuildOldParts);
  expect(await places('OLD1')).toEqual(before);
  await expect(partHistory(db, 'NONE')).rejects.toThrow(
    'no node has reported a part "NONE": machinedb part list shows those there are',
  );
});
