import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, now, db } = await withIntents();
const port = { nics: { '0000:01:00.0': { name: 'eth0', mac: '52:54:00:00:00:01' } } };
const assign = (id: string, body: object) =>
  ask('assignNode', { params: { node: id }, body: { ...body, reason: 'test' } });
const held = (id: string) =>
  db
    .selectFrom('allocation')
    .select(['address', 'network', 'state'])
    .where('node', '=', id)
    .orderBy('address')
    .execute();
const wanted = async (id: string) => (await now(id)).wanted.network;
const pointer = '/interfaces/eth0/addresses/primary';

/** A role whose nodes have the address that follows from their unit. */
async function role(name: string, address: object) {
  await ask('putRole', { params: { role: name }, body: {} });
  const body = { interfaces: { eth0: { addresses: { primary: { by: 'unit', ...address } } } } };
  await ask('putRoleIntent', { params: { role: name, section: 'network' }, body });
}

for (const rack of ['u1', 'u2']) await ask('putRack', { params: { site: 'ber', rack }, body: { height: 42 } });
await ask('putNetwork', {
  params: { network: 'bmc' },
  query: { site: 'ber', rack: 'u1' },
  body: { cidr: '10.60.1.0/26' },
});
await ask('putNetwork', {
  params: { network: 'bmc' },
  query: { site: 'ber', rack: 'u2' },
  body: { cidr: '10.60.2.0/26' },
});
await ask('putNetwork', { params: { network: 'six' }, body: { cidr: '2001:db8:60::/64' } });
await role('bmc', { network: 'bmc', offset: 10 });
await role('six', { network: 'six' });

test('an address follows from the rack unit, through moves, and the one before is an orphan', async () => {
  const id = await node(port);
  await assign(id, { role: 'bmc', site: 'ber', rack: 'u1', unit: 7, height: 2 });
  expect(await wanted(id)).toEqual({ interfaces: { eth0: { addresses: { '10.60.1.17/26': {} } } } });
  await assign(id, { unit: 9 });
  await assign(id, { rack: 'u2', unit: 9 });
  expect(await held(id)).toEqual([
    { address: '10.60.1.17', network: 'ber:u1:bmc', state: 'orphan' },
    { address: '10.60.1.19', network: 'ber:u1:bmc', state: 'orphan' },
    { address: '10.60.2.19', network: 'ber:u2:bmc', state: 'active' },
  ]);
  expect(await wanted(id)).toEqual({ interfaces: { eth0: { addresses: { '10.60.2.19/26': {} } } } });
  await assign(id, { role: 'six' });
  expect(await wanted(id)).toEqual({ interfaces: { eth0: { addresses: { '2001:db8:60::9/64': {} } } } });
});

test('a node without a unit waits, and says so', async () => {
  const id = await node(port);
  const findings = () => db.selectFrom('finding').select(['path', 'message']).where('node', '=', id).execute();
  const message = `the address follows from the rack unit, and node ${id} has none: place it in a rack, with its unit`;
  await assign(id, { role: 'six' });
  await assign(id, { site: 'ber', rack: 'u1' });
  expect([await wanted(id), await findings()]).toEqual([undefined, [{ path: pointer, message }]]);
  await assign(id, { unit: 30 });
  expect(await wanted(id)).toEqual({ interfaces: { eth0: { addresses: { '2001:db8:60::1e/64': {} } } } });
});

test('what the unit leads to is refused where it cannot be had, and names the holder', async () => {
  const refused = async (id: string, body: object, code: string, message: string) =>
    await expect(assign(id, body)).rejects.toMatchObject({ code, message, errors: [{ detail: message, pointer }] });
  const [first, second] = [await node(port), await node(port)];
  await assign(first, { fqdn: 'first.example.org', site: 'ber', rack: 'u2', unit: 20, face: 'front', role: 'bmc' });
  await refused(
    second,
    { site: 'ber', rack: 'u2', unit: 20, face: 'rear', role: 'bmc' },
    'conflict',
    'address 10.60.2.30 (by rack unit, offset 10) belongs to node first.example.org: take another, or release it there',
  );
  await ask('putNetwork', {
    params: { network: 'bmc' },
    query: { site: 'ber', rack: 'u2' },
    body: {
      cidr: '10.60.2.0/26',
      gateway: '10.60.2.32',
      reserved: [{ first: '10.60.2.33', last: '10.60.2.34', reason: 'switches' }],
    },
  });
  const at = (unit: number) => ({ site: 'ber', rack: 'u2', unit, role: 'bmc' });
  await refused(
    second,
    at(22),
    'invalid',
    'address 10.60.2.32 (by rack unit, offset 10) is the gateway of network bmc of rack u2 in site ber',
  );
  await refused(
    second,
    at(23),
    'invalid',
    'address 10.60.2.33 (by rack unit, offset 10) is in a reserved range of network bmc of rack u2 in site ber (switches)',
  );
  await role('far', { network: 'bmc', offset: 60 });
  await refused(
    second,
    { ...at(20), face: 'rear', role: 'far' },
    'invalid',
    'address 10.60.2.80 (by rack unit, offset 60) is not in network bmc of rack u2 in site ber (10.60.2.0/26)',
  );
  await ask('putNetwork', { params: { network: 'top' }, body: { cidr: '255.255.255.0/24' } });
  await role('top', { network: 'top', offset: 4000 });
  await refused(
    second,
    { ...at(24), role: 'top' },
    'invalid',
    'unit 24 with offset 4000 lies behind network top (255.255.255.0/24)',
  );
  expect(await held(second)).toEqual([]);
});

test('an address that is assigned goes before the unit', async () => {
  const id = await node(port);
  await assign(id, { site: 'ber', rack: 'u1', unit: 3, role: 'bmc' });
  await assign(id, { network: 'bmc', address: '10.60.1.50', interface: 'eth0' });
  expect(await wanted(id)).toEqual({ interfaces: { eth0: { addresses: { '10.60.1.50/26': {} } } } });
});

test('32 nodes that are placed at once have the address of their unit', async () => {
  const ids = await Promise.all(Array.from({ length: 32 }, () => node(port)));
  await ask('putRack', { params: { site: 'ber', rack: 'u3' }, body: { height: 42 } });
  await ask('putNetwork', {
    params: { network: 'bmc' },
    query: { site: 'ber', rack: 'u3' },
    body: { cidr: '10.60.3.0/26' },
  });
  await Promise.all(ids.map((id, i) => assign(id, { site: 'ber', rack: 'u3', unit: i + 1, role: 'bmc' })));
  const addresses = (await Promise.all(ids.map(held))).flat().map(({ address }) => address);
  expect(addresses).toEqual(ids.map((_, i) => `10.60.3.${11 + i}`));
});

test('an address outside its network, or twice in one intent, is refused with its path', async () => {
  const put = (addresses: object) =>
    ask('putRoleIntent', {
      params: { role: 'web', section: 'network' },
      body: { interfaces: { eth0: { addresses } } },
    });
  const outside = 'address 10.61.0.1 is not in network bmc (10.60.1.0/26, 10.60.2.0/26, 10.60.3.0/26)';
  await expect(put({ a: { network: 'bmc' }, b: { network: 'bmc', address: '10.61.0.1' } })).rejects.toMatchObject({
    status: 400,
    message: `network/interfaces/eth0/addresses/b: ${outside}`,
    errors: [{ detail: outside, pointer: '/interfaces/eth0/addresses/b' }],
  });
  const twice = 'address 10.60.1.5 is asked for by /interfaces/eth0/addresses/a, too: it goes to one interface once';
  const same = { network: 'bmc', address: '10.60.1.5' };
  await expect(put({ a: same, b: same })).rejects.toMatchObject({
    status: 400,
    message: `network/interfaces/eth0/addresses/b: ${twice}`,
    errors: [{ detail: twice, pointer: '/interfaces/eth0/addresses/b' }],
  });
});

test('an address that layers ask for twice is refused, too', async () => {
  const id = await node({ nics: { ...port.nics, b: { name: 'eth1', mac: '52:54:00:00:00:02' } } });
  await ask('putRole', { params: { role: 'twice' }, body: {} });
  const body = (logical: string) => ({
    interfaces: { [logical]: { addresses: { primary: { network: 'mgmt', address: '10.1.0.77' } } } },
  });
  await ask('putRoleIntent', { params: { role: 'twice', section: 'network' }, body: body('eth1') });
  await assign(id, { role: 'twice' });
  const message = `address 10.1.0.77 is asked for by /interfaces/eth1/addresses/primary of node ${id}, too: it goes to one interface once`;
  await expect(
    ask('putNodeIntent', { params: { node: id, section: 'network' }, body: body('eth0') }),
  ).rejects.toMatchObject({ code: 'conflict', message, errors: [{ detail: message, pointer }] });
});
