import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';
import { networkKey, networkText, parseNetworkKey, type Scope } from './nearest.ts';

const { ask, node, now, db } = await withIntents();
const port = { nics: { '0000:01:00.0': { name: 'eth0', mac: '52:54:00:00:00:01' } } };

const put = (name: string, query: object, cidr: string, more: object = {}) =>
  ask('putNetwork', { params: { network: name }, query, body: { cidr, ...more } });
const assign = (id: string, body: object) =>
  ask('assignNode', { params: { node: id }, body: { ...body, reason: 'test' } });
const addresses = async (id: string) => {
  const wanted = (await now(id)).wanted as { network?: { interfaces?: { eth0?: { addresses?: object } } } };
  return Object.keys(wanted.network?.interfaces?.eth0?.addresses ?? {});
};
const held = (id: string) =>
  db
    .selectFrom('allocation')
    .select(['address', 'network', 'state'])
    .where('node', '=', id)
    .orderBy('address')
    .execute();
const findings = async (id: string) =>
  await db
    .selectFrom('finding')
    .select(['path', 'severity', 'message'])
    .where('node', '=', id)
    .where('path', '<>', '')
    .execute();

for (const site of ['ams', 'par']) await ask('putSite', { params: { site }, body: {} });
for (const rack of ['r1', 'r2', 'r3']) await ask('putRack', { params: { site: 'ams', rack }, body: { height: 42 } });
await ask('putRole', { params: { role: 'near' }, body: {} });
await put('near', {}, '10.20.0.0/24');
await put('near', { site: 'ams' }, '10.21.0.0/24', { gateway: '10.21.0.254', dns: ['10.21.0.53'] });
await put('near', { site: 'ams', rack: 'r1' }, '10.22.1.0/24', { gateway: '10.22.1.254' });
await put('near', { site: 'ams', rack: 'r2' }, '10.22.2.0/24');
await ask('putRoleIntent', {
  params: { role: 'near', section: 'network' },
  body: { interfaces: { eth0: { addresses: { primary: { network: 'near' } } } } },
});

test.each<[string, { name: string } & Scope, string]>([
  ['mgmt', { name: 'mgmt' }, 'mgmt'],
  ['ams:mgmt', { name: 'mgmt', site: 'ams' }, 'mgmt of site ams'],
  ['ams:r1:mgmt', { name: 'mgmt', site: 'ams', rack: 'r1' }, 'mgmt of rack r1 in site ams'],
])('the key %s', (key, parsed, text) => {
  expect([parseNetworkKey(key), networkKey(parsed.name, parsed), networkText(key)]).toEqual([parsed, key, text]);
});

test("a rack's network is nearer than its site's, and that nearer than the fleet's", async () => {
  const id = await node(port);
  await assign(id, { role: 'near' });
  expect(await addresses(id)).toEqual(['10.20.0.1/24']);
  await assign(id, { site: 'ams' });
  expect(await addresses(id)).toEqual(['10.21.0.1/24']);
  await assign(id, { rack: 'r1', unit: 1 });
  expect((await now(id)).wanted.network).toEqual({
    interfaces: { eth0: { addresses: { '10.22.1.1/24': {} }, gateway: '10.22.1.254' } },
  });
  await assign(id, { rack: 'r2', unit: 1 });
  await assign(id, { rack: 'r3', unit: 1 });
  // A rack without one of its own: the site's, and the address that it had of it.
  expect(await held(id)).toEqual([
    { address: '10.20.0.1', network: 'near', state: 'orphan' },
    { address: '10.21.0.1', network: 'ams:near', state: 'active' },
    { address: '10.22.1.1', network: 'ams:r1:near', state: 'orphan' },
    { address: '10.22.2.1', network: 'ams:r2:near', state: 'orphan' },
  ]);
  expect((await now(id)).wanted.network).toEqual({
    interfaces: { eth0: { addresses: { '10.21.0.1/24': {} }, gateway: '10.21.0.254' } },
    dns: { servers: { '10.21.0.53': true } },
  });
  await assign(id, { site: 'par' });
  expect(await addresses(id)).toEqual(['10.20.0.1/24']);
});

test('a nearer network that is made later gives its nodes new addresses, and says how many before', async () => {
  await ask('putRack', { params: { site: 'ams', rack: 'r4' }, body: { height: 42 } });
  const [a, b] = [await node(port), await node(port)];
  for (const [i, id] of [a, b].entries()) await assign(id, { site: 'ams', rack: 'r4', unit: 1 + i, role: 'near' });
  const before = [...(await addresses(a)), ...(await addresses(b))];
  const scope = { site: 'ams', rack: 'r4' };
  expect(await put('near', { ...scope, dry_run: true }, '10.22.4.0/24')).toEqual({
    name: 'near',
    ...scope,
    cidr: '10.22.4.0/24',
    affected: 2,
  });
  await expect(put('near', { ...scope, max_affected: 1 }, '10.22.4.0/24')).rejects.toThrow(
    '2 nodes would change, and max_affected is 1: look at the dry run, then raise it',
  );
  await expect(put('near', scope, '10.22.4.0/32')).rejects.toThrow(
    'network near of rack r4 in site ams (10.22.4.0/32) has no free address: release some, or intend another network',
  );
  expect([...(await addresses(a)), ...(await addresses(b))]).toEqual(before);
  await put('near', scope, '10.22.4.0/24');
  expect([await addresses(a), await addresses(b)].flat().sort()).toEqual(['10.22.4.1/24', '10.22.4.2/24']);
});

test('a node without a place waits for an address, and its network is left alone until then', async () => {
  await put('ams-only', { site: 'ams' }, '10.23.0.0/24');
  const id = await node(port);
  await assign(id, { network: 'ams-only' });
  expect((await now(id)).wanted).toEqual({});
  expect(await findings(id)).toEqual([
    {
      path: '/interfaces/eth0/addresses/primary',
      severity: 'error',
      message: `network ams-only is there for site ams, and node ${id} has no place: place it there, and it gets an address`,
    },
  ]);
  const message = `network ams-only is there for site ams, and node ${id} stands in site par: place it there, or make one for its place (machinedb network put ams-only --site par)`;
  await expect(assign(id, { site: 'par' })).rejects.toMatchObject({
    status: 409,
    message,
    errors: [{ detail: message, pointer: '/interfaces/eth0/addresses/primary' }],
  });
  await assign(id, { site: 'ams' });
  expect([await addresses(id), await findings(id)]).toEqual([['10.23.0.1/24'], []]);
});

test('a network of the fleet reaches the nodes that waited for one', async () => {
  await put('late', { site: 'ams' }, '10.24.0.0/24');
  const id = await node(port);
  await assign(id, { network: 'late' });
  expect(await addresses(id)).toEqual([]);
  expect(await put('late', {}, '10.25.0.0/24')).toEqual({ name: 'late', cidr: '10.25.0.0/24', affected: 1 });
  expect(await addresses(id)).toEqual(['10.25.0.1/24']);
});

test('networks of one name are listed with their places, their addresses too, and end one by one', async () => {
  await put('list', {}, '10.26.0.0/24');
  await put('list', { site: 'ams' }, '10.26.1.0/24');
  await put('list', { site: 'ams', rack: 'r3' }, '10.26.2.0/24');
  const shown = async () =>
    (await ask('listNetworks', { query: { limit: 1000 } })).items.filter(({ name }) => name === 'list');
  expect(await shown()).toEqual([
    { name: 'list', site: 'ams', cidr: '10.26.1.0/24' },
    { name: 'list', site: 'ams', rack: 'r3', cidr: '10.26.2.0/24' },
    { name: 'list', cidr: '10.26.0.0/24' },
  ]);
  const paged = [];
  let cursor: string | undefined;
  do {
    const page = await ask('listNetworks', { query: { limit: 1, cursor } });
    paged.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  expect(paged).toEqual((await ask('listNetworks', { query: { limit: 1000 } })).items);

  const [a, b] = [await node(port), await node(port)];
  await assign(a, { site: 'ams', rack: 'r3', unit: 9, network: 'list' });
  await assign(b, { network: 'list' });
  const listed = async (query: object) =>
    (await ask('listAllocations', { params: { network: 'list' }, query })).items.map(
      ({ address, network, site, rack, node: holder }) => ({ address, network, site, rack, holder }),
    );
  const ofRack = { address: '10.26.2.1', network: 'list', site: 'ams', rack: 'r3', holder: a };
  const ofFleet = { address: '10.26.0.1', network: 'list', site: undefined, rack: undefined, holder: b };
  expect([await listed({}), await listed({ site: 'ams' })]).toEqual([[ofFleet, ofRack], [ofRack]]);

  const end = (query: object) => ask('deleteNetwork', { params: { network: 'list' }, query });
  await expect(end({ rack: 'r3' })).rejects.toThrow('rack r3 belongs to a site: give the site, too');
  await expect(end({ site: 'ams', rack: 'r3' })).rejects.toThrow(`network "ams:r3:list" is used by ${a}`);
  await end({ site: 'ams' });
  await expect(ask('deleteSite', { params: { site: 'ams' } })).rejects.toThrow('site "ams" has rack r1');
  await ask('putRack', { params: { site: 'ams', rack: 'r9' }, body: { height: 42 } });
  await put('of-r9', { site: 'ams', rack: 'r9' }, '10.27.0.0/24');
  await expect(ask('deleteRack', { params: { site: 'ams', rack: 'r9' } })).rejects.toThrow(
    'rack "r9" has network of-r9: delete its networks first',
  );
  await expect(put('of-r9', { site: 'ams', rack: 'r8' }, '10.27.1.0/24')).rejects.toThrow(
    'there is no rack "r8" in site "ams": machinedb rack list shows them',
  );
  expect((await shown()).map(({ cidr }) => cidr)).toEqual(['10.26.2.0/24', '10.26.0.0/24']);
});

test("an orphan of a rack's network is released by name and address, and told in the finding", async () => {
  const id = await node(port);
  await assign(id, { site: 'ams', rack: 'r1', unit: 20, role: 'near' });
  const [cidr = ''] = await addresses(id);
  const address = cidr.split('/')[0]!;
  await assign(id, { rack: 'r2', unit: 20 });
  expect((await findings(id)).map(({ message }) => message)).toEqual([
    `address ${address} of network near is no longer intended: machinedb network release near ${address} frees it`,
  ]);
  expect(await ask('releaseAllocation', { params: { network: 'near', address } })).toMatchObject({
    address,
    network: 'near',
    site: 'ams',
    rack: 'r1',
    state: 'quarantined',
  });
  expect(await findings(id)).toEqual([]);
});

test('32 nodes of two racks and two sites that are placed at once never collide', async () => {
  // The sites use the same addresses: one is still given out once.
  for (const site of ['ams', 'par']) await put('crowd', { site }, '10.28.0.0/24');
  for (const rack of ['c1', 'c2']) {
    await ask('putRack', { params: { site: 'ams', rack }, body: { height: 42 } });
    await put('crowd', { site: 'ams', rack }, rack === 'c1' ? '10.29.1.0/24' : '10.29.2.0/24');
  }
  const ids = await Promise.all(Array.from({ length: 32 }, () => node(port)));
  const places = [{ site: 'ams' }, { site: 'par' }, { site: 'ams', rack: 'c1' }, { site: 'ams', rack: 'c2' }];
  await Promise.all(ids.map((id, i) => assign(id, { ...places[i % 4], network: 'crowd' })));
  const given = (await Promise.all(ids.map(addresses))).flat();
  const range = (base: string, count: number) => Array.from({ length: count }, (_, i) => `${base}.${i + 1}/24`);
  expect(given.sort()).toEqual([...range('10.28.0', 16), ...range('10.29.1', 8), ...range('10.29.2', 8)].sort());
});

test('networks that come while nodes are placed leave no node with a farther one', async () => {
  await put('race', {}, '10.30.0.0/24');
  await ask('putSite', { params: { site: 'race' }, body: {} });
  const ids = await Promise.all(Array.from({ length: 12 }, () => node(port)));
  await Promise.all([
    ...ids.map((id) => assign(id, { site: 'race', network: 'race' })),
    put('race', { site: 'race' }, '10.31.0.0/24'),
  ]);
  const given = (await Promise.all(ids.map(addresses))).flat();
  expect(given).toHaveLength(12);
  expect(new Set(given).size).toBe(12);
  expect(given.every((address) => address.startsWith('10.31.0.'))).toBe(true);
});
