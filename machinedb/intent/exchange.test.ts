import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { db, ask, node, now } = await withIntents();
const reason = 'test';
type Items = { node: string; [key: string]: unknown }[];
const bulk = (items: Items, mode: 'all' | 'each' = 'all') => ask('bulk', { body: { items, reason, mode } });
const assign = (id: string, body: object) => ask('assignNode', { params: { node: id }, body: { ...body, reason } });
const observed = { nics: { n: { name: 'eth0' } } };
const nodes = async (count: number) => (await Promise.all(Array.from({ length: count }, () => node(observed)))).sort();

const fqdn = (name: string | undefined) => `${name}.exchange.example.org`;
const nameOf = async (id: string) => (await now(id)).fqdn;
const network = (address: string) => ({
  interfaces: { eth0: { addresses: { primary: { network: 'mgmt', address } } } },
});
const addressesOf = async (id: string) =>
  (await db.selectFrom('allocation').select(['address', 'state']).where('node', '=', id).execute()).map(
    ({ address, state }) => `${address} ${state}`,
  );
const port = (mac: string) => ({ interfaces: { lan: { match: { mac }, mtu: 1500 } } });
const macsOf = async (id: string) =>
  (await db.selectFrom('intended_mac').select('mac').where('node', '=', id).execute()).map(({ mac }) => mac);

test('two nodes exchange names, addresses and MACs in one bulk write', async () => {
  const [a, b] = (await nodes(2)) as [string, string];
  const [one, two] = ['52:54:00:0a:00:01', '52:54:00:0a:00:02'];
  const intents = (mac: string, address: string) => ({ ...port(mac).interfaces, ...network(address).interfaces });
  const item = (id: string, name: string, mac: string, address: string) => ({
    ...{ node: id, fqdn: fqdn(name), intended: { network: { interfaces: intents(mac, address) } } },
  });
  await bulk([item(a, 'a', one, '10.1.0.20'), item(b, 'b', two, '10.1.0.21')]);
  const plan = await bulk([item(a, 'b', two, '10.1.0.21'), item(b, 'a', one, '10.1.0.20')]);
  expect(plan).toMatchObject({ applied: true, affected: 2, done: 2, failed: 0 });
  expect(plan.nodes.map((each) => [each.node, each.fqdn])).toEqual([
    [a, fqdn('b')],
    [b, fqdn('a')],
  ]);
  expect([await nameOf(a), await addressesOf(a), await macsOf(a)]).toEqual([fqdn('b'), ['10.1.0.21 active'], [two]]);
  expect([await nameOf(b), await addressesOf(b), await macsOf(b)]).toEqual([fqdn('a'), ['10.1.0.20 active'], [one]]);
  expect((await now(a)).wanted).toMatchObject({ hostname: { fqdn: fqdn('b') } });
});

test('three pass names and addresses on in a circle', async () => {
  const ids = await nodes(3);
  const give = (shift: number) =>
    bulk(
      ids.map((id, i) => ({
        ...{ node: id, fqdn: fqdn(`c${(i + shift) % 3}`) },
        intended: { network: network(`10.1.0.${30 + ((i + shift) % 3)}`) },
      })),
    );
  await give(0);
  expect(await give(1)).toMatchObject({ done: 3, failed: 0 });
  expect(await Promise.all(ids.map(nameOf))).toEqual(['c1', 'c2', 'c0'].map(fqdn));
  expect(await Promise.all(ids.map(addressesOf))).toEqual([31, 32, 30].map((end) => [`10.1.0.${end} active`]));
  expect((await now(ids[0]!)).wanted).toMatchObject({
    network: { interfaces: { eth0: { addresses: { '10.1.0.31/24': {} } } } },
  });
});

test('with a stranger in between nothing is exchanged, and only who is to blame is named, each of them', async () => {
  const [a, b, c, d, stranger] = (await nodes(5)) as [string, string, string, string, string];
  const ids = [a, b, c, d];
  await bulk(ids.map((id, i) => ({ node: id, fqdn: fqdn(`s${i}`) })));
  await assign(stranger, { fqdn: fqdn('s9'), network: 'mgmt', address: '10.1.0.40' });
  // a takes b's name and b the stranger's; c and d exchange theirs, and c wants the stranger's address, too.
  const items = [
    { node: a, fqdn: fqdn('s1') },
    { node: b, fqdn: fqdn('s9') },
    { node: c, fqdn: fqdn('s3'), intended: { network: network('10.1.0.40') } },
    { node: d, fqdn: fqdn('s2') },
  ];
  await expect(bulk(items)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(/^nothing was changed, 2 of 4 nodes cannot be written: item 1, /),
    errors: [
      {
        pointer: '/items/1',
        detail: `${b}: the name ${fqdn('s9')} belongs to node ${stranger} already: take another, or rename that node first`,
      },
      {
        pointer: '/items/2',
        detail: `${c}: address 10.1.0.40 belongs to node ${fqdn('s9')}: take another, or release it there`,
      },
    ],
  });
  expect(await Promise.all(ids.map(nameOf))).toEqual(['s0', 's1', 's2', 's3'].map(fqdn));
  // Each for itself: who counted on what those keep stays, too, and says why.
  const reply = await bulk(items, 'each');
  expect(reply.items.map(({ state, problem }) => [state, problem?.detail.replace(/already.*/, '')])).toEqual([
    ['failed', `the name ${fqdn('s1')} belongs to node ${b} `],
    ['failed', `the name ${fqdn('s9')} belongs to node ${stranger} `],
    ['failed', `address 10.1.0.40 belongs to node ${fqdn('s9')}: take another, or release it there`],
    ['failed', `the name ${fqdn('s2')} belongs to node ${c} `],
  ]);
});

test('beside one that is refused the others exchange, wherever they stand in the request', async () => {
  const ids = await nodes(6);
  await bulk(ids.map((id, i) => ({ node: id, fqdn: fqdn(`w${i}`) })));
  // 0 and 5 exchange, 1 and 4 too; 2 asks for the name that 3 keeps.
  const names = ['w5', 'w4', 'w3', 'w3', 'w1', 'w0'];
  const reply = await bulk(
    ids.map((id, i) => ({ node: id, fqdn: fqdn(names[i]) })),
    'each',
  );
  expect(reply.items.map(({ state }) => state)).toEqual(['done', 'done', 'failed', 'unchanged', 'done', 'done']);
  expect(await Promise.all(ids.map(nameOf))).toEqual(['w5', 'w4', 'w2', 'w3', 'w1', 'w0'].map(fqdn));
});

test('a MAC that two are given is refused, and every one is named', async () => {
  const [a, b, c, d] = (await nodes(4)) as [string, string, string, string];
  await bulk([{ node: a, intended: { network: port('52:54:00:0b:00:01') } }]);
  const item = (id: string, end: number) => ({ node: id, intended: { network: port(`52:54:00:0b:00:0${end}`) } });
  await expect(bulk([item(b, 1), item(c, 2), item(d, 2)])).rejects.toMatchObject({
    errors: [
      {
        pointer: '/items/0',
        detail: `${b}: MAC 52:54:00:0b:00:01 is intended for node ${a} already: a port is in one machine`,
      },
      {
        pointer: '/items/2',
        detail: `${d}: MAC 52:54:00:0b:00:02 is intended for node ${c} already: a port is in one machine`,
      },
    ],
  });
});

test('an address that a node left before stays its own, also in an exchange', async () => {
  const [a, b] = (await nodes(2)) as [string, string];
  await bulk([{ node: a, intended: { network: network('10.1.0.50') } }]);
  await bulk([{ node: a, intended: { network: network('10.1.0.51') } }]);
  const items = [
    { node: a, intended: { network: network('10.1.0.52') } },
    { node: b, intended: { network: network('10.1.0.50') } },
  ];
  await expect(bulk(items)).rejects.toThrow(`address 10.1.0.50 belongs to node ${a}`);
});

test('nodes whose addresses follow from their units change places', async () => {
  const addresses = { primary: { network: 'mgmt', by: 'unit', offset: 100 } };
  const [a, b] = (await nodes(2)) as [string, string];
  const item = (id: string, unit: number) => ({
    ...{ node: id, site: 'ber', rack: 'r1', unit, intended: { network: { interfaces: { eth0: { addresses } } } } },
  });
  await bulk([item(a, 1), item(b, 2)]);
  const before = [await addressesOf(a), await addressesOf(b)];
  const move = (id: string, unit: number) => ({ node: id, rack: 'r1', site: 'ber', unit });
  await bulk([move(a, 2), move(b, 1)]);
  expect([await addressesOf(a), await addressesOf(b)]).toEqual(before.toReversed());
});

test('510 nodes pass their names on at once', async () => {
  const ids = Array.from({ length: 510 }, () => crypto.randomUUID()).sort();
  const node = ids.map((id) => ({ id, state: 'approved', level: 'approved', hardware: '{}' }) as const);
  const rows = ids.map((id) => ({ node: id, observed: '{}', hashes: '{}', errors: '{}', wanted: '{}' }) as never);
  await db.insertInto('node').values(node).execute();
  await db.insertInto('node_now').values(rows).execute();
  await bulk(ids.map((id, i) => ({ node: id, fqdn: fqdn(`m${i}`) })));
  expect(await bulk(ids.map((id, i) => ({ node: id, fqdn: fqdn(`m${(i + 1) % 510}`) })))).toMatchObject({ done: 510 });
  expect([await nameOf(ids[0]!), await nameOf(ids[509]!)]).toEqual([fqdn('m1'), fqdn('m0')]);
}, 60_000);
