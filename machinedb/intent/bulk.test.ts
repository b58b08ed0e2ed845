import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { judgeSome, restartJudging } from '../groups/judge.ts';
import { withIntents } from '../testing/intents.ts';

const { db, ask, askAs, node, now } = await withIntents();
const reason = 'test';
const bulk = (items: object[], more: object = {}, query: object = {}, headers: object = {}) =>
  ask('bulk', { query, body: { items, reason, ...more } }, { ...headers });
const nodes = async (count: number, observed: object = {}) =>
  (await Promise.all(Array.from({ length: count }, () => node({ ...observed })))).sort();
const history = async () =>
  Number(
    (
      await db
        .selectFrom('revision')
        .select(({ fn }) => fn.countAll().as('n'))
        .executeTakeFirstOrThrow()
    ).n,
  );

test('one request gives many nodes their place, role, tags, address and intent, and tells of each', async () => {
  const ids = await nodes(3, { nics: { '52:54:00:00:00:01': { name: 'eth0', mac: '52:54:00:00:00:01' } } });
  const items = ids.map((id, i) => ({
    node: id,
    ...{ site: 'ber', rack: 'r1', unit: i + 1, role: 'web', tags: ['a'], network: 'mgmt' },
    intended: { time: { servers: { '10.0.0.1': {} } } },
  }));
  const dry = await bulk(items, {}, { dry_run: true });
  expect(dry).toMatchObject({ applied: false, affected: 3, done: 3, unchanged: 0, failed: 0 });
  expect((await now(ids[0]!)).wanted).toEqual({});
  const reply = await bulk(items, {}, { max_affected: 3 });
  expect(reply).toMatchObject({ applied: true, affected: 3, done: 3, unchanged: 0, failed: 0 });
  expect(reply.items).toEqual(ids.map((id, item) => ({ item, node: id, name: id, state: 'done' })));
  expect(reply.nodes[0]?.changes.map(({ path }) => path)).toEqual([
    '/network',
    '/placement',
    '/role',
    '/tags',
    '/time',
  ]);
  const rows = await Promise.all(ids.map((id) => now(id)));
  expect(rows.map(({ unit, role, tags }) => [unit, role, tags])).toEqual([1, 2, 3].map((unit) => [unit, 'web', ['a']]));
  const before = await history();
  expect(await bulk(items)).toMatchObject({ affected: 0, done: 0, unchanged: 3, failed: 0 });
  expect(await history()).toBe(before);
});

test('sections are merged with what a node has, and null takes one away', async () => {
  const [id] = (await nodes(1)) as [string];
  await bulk([{ node: id, intended: { tags: { a: true, b: true }, mode: { mode: 'plan' } } }]);
  await bulk([{ node: id, tags: ['c'], intended: { tags: { b: null, d: true }, mode: null } }]);
  expect((await now(id)).wanted).toEqual({ tags: { a: true, c: true, d: true } });
});

test('all or nothing: every node that is to blame is named, and nothing is written', async () => {
  const [a, b] = (await nodes(2)) as [string, string];
  const before = await history();
  const items = [
    { node: a, tags: ['x'] },
    { node: 'nope', tags: ['x'] },
    { node: b, role: 'wbe' },
    { node: b, tags: ['y'] },
  ];
  const nope = 'there is no node "nope" by id or intended FQDN: machinedb nodes lists them';
  await expect(bulk(items)).rejects.toMatchObject({
    code: 'not_found',
    message: `nothing was changed, 3 of 4 nodes cannot be written: item 1, nope: ${nope}`,
    errors: [
      { pointer: '/items/1', detail: `nope: ${nope}` },
      {
        pointer: '/items/2',
        detail: `${b}: there is no role "wbe": machinedb role list shows them, machinedb role put wbe makes it`,
      },
      { pointer: '/items/3', detail: `${b}: item 2 is about the same node: put into one what it shall get` },
    ],
  });
  expect(await history()).toBe(before);
});

test('each: what can be done is done, also where only all of them together show who cannot', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'each' }, body: { height: 40 } });
  const ids = await nodes(9);
  const items = ids.map((id, i) => ({
    node: id,
    fqdn: i === 5 ? 'n1.bulk.example.org' : `n${i}.bulk.example.org`,
    ...{ site: 'ber', rack: 'each', unit: i === 7 ? 3 : i + 1 },
  }));
  const reply = await bulk(items, { mode: 'each' });
  expect(reply).toMatchObject({ applied: true, affected: 7, done: 7, unchanged: 0, failed: 2 });
  expect(reply.items.filter(({ state }) => state === 'failed')).toEqual([
    {
      item: 5,
      node: ids[5],
      name: ids[5],
      state: 'failed',
      problem: {
        code: 'conflict',
        detail: `the name n1.bulk.example.org is asked for by node ${ids[1]}, too: it belongs to one machine`,
        pointer: '/hostname',
      },
    },
    { item: 7, node: ids[7], name: ids[7], state: 'failed', problem: expect.objectContaining({ code: 'conflict' }) },
  ]);
  expect((await now(ids[8]!)).fqdn).toBe('n8.bulk.example.org');
  expect((await now(ids[5]!)).wanted).toEqual({});
  await expect(bulk(items)).rejects.toMatchObject({ errors: [{ pointer: '/items/5' }, { pointer: '/items/7' }] });
});

test('nodes change places in one request', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'swap' }, body: { height: 4 } });
  const ids = await nodes(3);
  const place = (units: number[]) => bulk(ids.map((node, i) => ({ node, site: 'ber', rack: 'swap', unit: units[i] })));
  await place([1, 2, 3]);
  await place([2, 3, 1]);
  expect(await Promise.all(ids.map(async (id) => (await now(id)).unit))).toEqual([2, 3, 1]);
});

test('max_affected guards a bulk write', async () => {
  const ids = await nodes(2);
  await expect(
    bulk(
      ids.map((id) => ({ node: id, tags: ['x'] })),
      {},
      { max_affected: 1 },
    ),
  ).rejects.toMatchObject({
    status: 422,
    message: '2 nodes would change, and max_affected is 1: look at the dry run, then raise it',
  });
  expect((await now(ids[0]!)).tags).toEqual([]);
});

test('a saved group is a target, and what concerns its machines reaches them in slots', async () => {
  const ids = await nodes(3, { gpus: { g: { model: 'H100' } } });
  await ask('putGroup', { params: { group: 'h100' }, body: { pattern: { count: 'gpus', is: 1 } } });
  await bulk([{ group: 'h100', role: 'gpu', mode: 'enforce' }]);
  const reply = await bulk([{ group: 'h100', intended: { ssh: { permit_root_login: 'no' } } }]);
  expect(reply.items).toEqual(ids.map((id) => ({ item: 0, node: id, name: id, state: 'done' })));
  const rollout = (await ask('listRollouts', { query: { role: 'gpu' } })).items[0];
  expect(rollout).toMatchObject({ change: { what: 'ssh of 3 nodes', by: 'ann', reason }, waiting: 3 });
  await ask('putRollout', { params: { role: 'gpu' }, body: { slots: 1 } });
  const go = await Promise.all(
    ids.map(async (id) => (await askAs(id, 'askSelfSlot', { generation: (await now(id)).generation })).go),
  );
  expect(go.filter(Boolean)).toHaveLength(1);
  await expect(bulk([{ group: 'h200', role: 'gpu' }])).rejects.toThrow('there is no group "h200"');
  // Whose members are not judged by its newest pattern yet, it names nobody.
  await transaction(db, restartJudging);
  await expect(bulk([{ group: 'h100', role: 'web' }])).rejects.toThrow(
    'group "h100" was changed just now, and its members are not known yet: try again',
  );
  while (await transaction(db, judgeSome));
});

test('89, 90: a retried bulk write gets the first reply and writes nothing; the same key with another body is 422', async () => {
  const [id] = (await nodes(1)) as [string];
  const headers = { 'idempotency-key': '"bulk"' };
  const first = await bulk([{ node: id, tags: ['once'] }], {}, {}, headers);
  const before = await history();
  expect(await bulk([{ node: id, tags: ['once'] }], {}, {}, headers)).toEqual(JSON.parse(JSON.stringify(first)));
  expect(await history()).toBe(before);
  await expect(bulk([{ node: id, tags: ['twice'] }], {}, {}, headers)).rejects.toMatchObject({ status: 422 });
});

test('bulk writes of the same nodes at the same time, and single ones, lose nothing', async () => {
  const ids = await nodes(6);
  await Promise.all([
    ...['a', 'b', 'c'].map((tag) => bulk(ids.map((id) => ({ node: id, tags: [tag] })))),
    ...ids.toReversed().map((id) => ask('assignNode', { params: { node: id }, body: { tags: ['own'], reason } })),
  ]);
  for (const id of ids) expect((await now(id)).tags).toEqual(['a', 'b', 'c', 'own']);
});

test('1,000 nodes in one request', async () => {
  const ids = Array.from({ length: 1000 }, () => crypto.randomUUID()).sort();
  await db
    .insertInto('node')
    .values(ids.map((id) => ({ id, state: 'approved', level: 'approved', hardware: '{}' }) as const))
    .execute();
  await db
    .insertInto('node_now')
    .values(ids.map((id) => ({ node: id, observed: '{}', hashes: '{}', errors: '{}', wanted: '{}' }) as never))
    .execute();
  const reply = await bulk(ids.map((id, i) => ({ node: id, role: 'web', fqdn: `m${i}.many.example.org` })));
  expect(reply).toMatchObject({ affected: 1000, done: 1000 });
}, 30_000);
