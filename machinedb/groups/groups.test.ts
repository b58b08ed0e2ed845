import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { createInventoryCache } from '../inventory/inventory-cache.ts';
import { listNodes } from '../nodes/node-list.ts';
import { withIntents } from '../testing/intents.ts';
import { judgeSome, restartJudging } from './judge.ts';

const { db, ask, node, report, now } = await withIntents();
const gpus = (count: number) => ({
  gpus: Object.fromEntries(Array.from({ length: count }, (_, i) => [`0000:0${i}:00.0`, { model: 'H100' }])),
});
const put = (group: string, pattern: object, query: object = {}) =>
  ask('putGroup', { params: { group }, query, body: { pattern, comment: 'of the test' } });
const members = async (group: string) => (await listNodes(db, { group })).items.map(({ id }) => id);
const eight = { count: 'gpus', is: 8 };

test('members follow the pattern, reported facts and intent, and are gone with the group', async () => {
  const [full, half] = [await node(gpus(8)), await node(gpus(4))];
  expect(await put('h100', eight, { dry_run: true })).toMatchObject({ name: 'h100', members: 1, current: true });
  await expect(ask('getGroup', { params: { group: 'h100' } })).rejects.toThrow(
    'there is no group "h100": machinedb group list shows them',
  );
  expect(await put('h100', eight)).toEqual({
    name: 'h100',
    pattern: eight,
    comment: 'of the test',
    members: 1,
    current: true,
    changed_by: 'ann',
    changed_at: expect.any(String),
  });
  expect(await members('h100')).toEqual([full]);
  const inventory = async () => JSON.parse(Buffer.concat((await createInventoryCache(db)()).pieces).toString());
  expect((await inventory()).group_h100).toEqual({ hosts: [full] });
  expect((await inventory())._meta.hostvars[full]).toMatchObject({ machinedb_groups: ['h100'] });
  await report(half, gpus(8));
  await report(full, gpus(7));
  expect(await members('h100')).toEqual([half]);
  await put('h100', { all: [eight, { value: 'node.role', is: 'gpu' }] });
  expect(await members('h100')).toEqual([]);
  await ask('assignNode', { params: { node: half }, body: { role: 'gpu', reason: 'test' } });
  expect(await members('h100')).toEqual([half]);
  expect((await ask('listGroups', {})).items.map(({ name, members }) => [name, members])).toEqual([['h100', 1]]);
  await put('other', { value: 'node.role', is: 'gpu' });
  const page = await ask('listGroups', { query: { limit: 1 } });
  const rest = await ask('listGroups', { query: { limit: 1, cursor: page.next } });
  expect([page, rest].map(({ items }) => items.map(({ name }) => name))).toEqual([['h100'], ['other']]);
  await ask('deleteGroup', { params: { group: 'h100' } });
  expect(await members('other')).toEqual([half]);
  await ask('deleteGroup', { params: { group: 'other' } });
  expect((await now(half)).groups).toEqual([]);
  await expect(members('h100')).rejects.toThrow('there is no group "h100"');
  await expect(ask('deleteGroup', { params: { group: 'h100' } })).rejects.toThrow('there is no group "h100"');
});

test('a read of the past shows the groups that there were, with the members that they had', async () => {
  const id = await node();
  const at = async () =>
    (await db.selectFrom('event').select('at').orderBy('seq', 'desc').limit(1).executeTakeFirstOrThrow()).at;
  await put('then', { value: 'node.role', is: 'web' });
  await ask('assignNode', { params: { node: id }, body: { role: 'web', reason: 'test' } });
  await ask('setNodeState', { params: { node: id }, body: { state: 'active', reason: 'test' } });
  const before = (await at()).toISOString().replace('Z', '999Z');
  await ask('assignNode', { params: { node: id }, body: { role: 'gpu', reason: 'test' } });
  await ask('deleteGroup', { params: { group: 'then' } });
  await put('later', { value: 'node.role', is: 'web' });
  const { items } = await listNodes(db, { group: 'then', as_of: before });
  expect(items.map(({ id: found, groups }) => [found, groups])).toEqual([[id, ['then']]]);
});

test('two names that are one to Ansible are refused', async () => {
  await put('a.b', eight);
  await expect(put('a_b', eight)).rejects.toThrow(
    'group "a.b" is group_a_b to Ansible already, as "a_b" would be: take another name',
  );
});

test('a judging that was broken off is gone on with, and reports meanwhile are judged by the new pattern', async () => {
  const ids = await Promise.all(Array.from({ length: 3 }, () => node(gpus(2))));
  await put('late', { count: 'gpus', is: 1 });
  // As if the daemon had ended right after the pattern was written.
  await transaction(db, async (tx) => {
    await tx
      .updateTable('saved_group')
      .set({ pattern: JSON.stringify({ count: 'gpus', is: 2 }) })
      .where('name', '=', 'late')
      .execute();
    await restartJudging(tx);
  });
  expect(await ask('getGroup', { params: { group: 'late' } })).toMatchObject({ members: 0, current: false });
  await report(ids[0]!, gpus(2));
  expect(await members('late')).toEqual([ids[0]]);
  expect(await transaction(db, judgeSome)).toBe(false);
  expect(await ask('getGroup', { params: { group: 'late' } })).toMatchObject({ members: 3, current: true });
});

test('groups that are changed while machines report end right', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => node(gpus(1))));
  for (let round = 10; round < 14; round++) {
    await Promise.all([
      put('race', { count: 'gpus', is: round }),
      put('other', { count: 'gpus', is: { above: round } }),
      ...ids.map((id) => report(id, gpus(round))),
    ]);
    expect(await members('race')).toEqual(ids.toSorted());
  }
});
