import { pino } from 'pino';
import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { withIntents } from '../testing/intents.ts';
import { startTasks } from '../watch/tasks.ts';

const { ask, node, report, now, db } = await withIntents();
const port = { nics: { '0000:01:00.0': { name: 'eth0', mac: '52:54:00:00:00:01' } } };

const network = (name: string, body: object) => ask('putNetwork', { params: { network: name }, body });
const assign = (id: string, body: object) =>
  ask('assignNode', { params: { node: id }, body: { interface: 'eth0', ...body, reason: 'test' } });
const release = (name: string, address: string, force = false) =>
  ask('releaseAllocation', { params: { network: name, address }, query: { force }, body: { reason: 'test' } });

async function addresses(id: string) {
  const wanted = (await now(id)).wanted as { network?: { interfaces?: { eth0?: { addresses?: object } } } };
  return Object.keys(wanted.network?.interfaces?.eth0?.addresses ?? {});
}

test('the first free address skips network, gateway, reserved ranges and broadcast; a full network says so', async () => {
  await network('tiny', {
    cidr: '10.9.0.0/29',
    gateway: '10.9.0.1',
    reserved: [{ first: '10.9.0.2', last: '10.9.0.3' }],
  });
  const ids = [];
  for (const expected of ['10.9.0.4/29', '10.9.0.5/29', '10.9.0.6/29']) {
    const id = await node(port);
    await assign(id, { network: 'tiny' });
    expect(await addresses(id)).toEqual([expected]);
    ids.push(id);
  }
  await expect(assign(await node(port), { network: 'tiny' })).rejects.toMatchObject({
    status: 409,
    message: 'network tiny (10.9.0.0/29) has no free address: release some, or intend another network',
  });
  await expect(assign(await node(port), { address: '10.9.0.4' })).rejects.toMatchObject({
    status: 409,
    message: `address 10.9.0.4 belongs to node ${ids[0]}: take another, or release it there`,
  });
  for (const [address, message] of [
    ['10.9.0.1', 'address 10.9.0.1 is the gateway of network tiny'],
    ['10.9.0.2', 'address 10.9.0.2 is in a reserved range of network tiny (reserved)'],
    ['10.9.0.7', 'address 10.9.0.7 is the network or broadcast address of tiny (10.9.0.0/29)'],
    [
      '172.16.0.1',
      'no network contains 172.16.0.1: machinedb network list shows them, machinedb network put makes one',
    ],
  ])
    await expect(assign(await node(port), { address })).rejects.toThrow(message);
});

test.each([
  ['top4', '255.255.255.254/31', ['255.255.255.254/31', '255.255.255.255/31']],
  ['top1', '255.255.255.253/32', ['255.255.255.253/32']],
  [
    'top6',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127',
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127'],
  ],
])('network %s is full at the top of the address space', async (name, cidr, expected) => {
  await network(name, { cidr });
  for (const address of expected) {
    const id = await node(port);
    await assign(id, { network: name });
    expect(await addresses(id)).toEqual([address]);
  }
  await expect(assign(await node(port), { network: name })).rejects.toThrow(
    `network ${name} (${cidr}) has no free address: release some, or intend another network`,
  );
});

test('an IPv6 network of 2^64 addresses gives the first free one at once', async () => {
  await network('six', { cidr: '2001:db8::/64', gateway: '2001:db8::1' });
  const [a, b] = [await node(port), await node(port)];
  await assign(a, { network: 'six' });
  await assign(b, { network: 'six' });
  expect([...(await addresses(a)), ...(await addresses(b))]).toEqual(['2001:db8::2/64', '2001:db8::3/64']);
});

test('32 allocations at the same time never collide', async () => {
  await network('wide', { cidr: '10.8.0.0/24' });
  const ids = await Promise.all(Array.from({ length: 32 }, () => node(port)));
  await Promise.all(ids.map((id) => assign(id, { network: 'wide' })));
  const given = (await Promise.all(ids.map(addresses))).flat();
  expect(new Set(given)).toEqual(new Set(Array.from({ length: 32 }, (_, i) => `10.8.0.${i + 1}/24`)));
});

test('an address survives changes of role, becomes an orphan, and rests after its release', async () => {
  const id = await node(port);
  await assign(id, { network: 'mgmt', role: 'gpu' });
  const [cidr = ''] = await addresses(id);
  const address = cidr.split('/')[0]!;
  await assign(id, { interface: undefined, role: 'web' });
  expect(await addresses(id)).toEqual([cidr]);
  await expect(release('mgmt', address)).rejects.toThrow(
    `address ${address} is intended for node ${id}: change its intent first`,
  );

  const [{ etag } = { etag: '' }] = (await ask('getNodeIntent', { params: { node: id } })).items.filter(
    ({ section }) => section === 'network',
  );
  await report(id, { ...port, network: { interfaces: { eth0: { addresses: { [cidr]: {} } } } } });
  await ask('deleteNodeIntent', { params: { node: id, section: 'network' } }, { 'if-match': etag });
  const findings = () => db.selectFrom('finding').select(['path', 'message']).where('node', '=', id).execute();
  expect(await findings()).toEqual([
    {
      path: `/allocations/${address}`,
      message: `address ${address} of network mgmt is no longer intended: machinedb network release mgmt ${address} frees it`,
    },
  ]);
  // An orphan is nobody else's yet.
  const other = await node(port);
  await expect(assign(other, { address })).rejects.toThrow(`address ${address} belongs to node ${id}`);

  await expect(release('mgmt', address)).rejects.toThrow(
    `node ${id} still reports address ${address}: wait until it is gone, or release it with force`,
  );
  await report(id, port);
  expect(await release('mgmt', address)).toMatchObject({ address, state: 'quarantined', until: expect.any(String) });
  expect(await findings()).toEqual([]);
  await expect(assign(other, { address })).rejects.toThrow(
    `address ${address} was released a short time ago and rests: take another, or wait`,
  );
  await assign(other, { network: 'mgmt' });
  expect(await addresses(other)).not.toEqual([cidr]);
});

test('an address whose rest is over is given out again', async () => {
  await network('rest', { cidr: '10.7.0.0/30' });
  const [a, b] = [await node(port), await node(port)];
  await assign(a, { network: 'rest', address: '10.7.0.1' });
  await assign(b, { network: 'rest', address: '10.7.0.2' });
  await ask('deleteNodeIntent', { params: { node: a, section: 'network' } }, { 'if-match': '*' });
  await release('rest', '10.7.0.1');
  const c = await node(port);
  await expect(assign(c, { network: 'rest' })).rejects.toThrow('network rest (10.7.0.0/30) has no free address');
  await db
    .updateTable('allocation')
    .set({ until: new Date(0) })
    .where('address', '=', '10.7.0.1')
    .execute();
  const tasks = startTasks(db, readConfig({ MACHINEDB_TASK_MS: '10' }), pino({ enabled: false }), () => 0.5);
  await expect
    .poll(() =>
      assign(c, { network: 'rest' }).then(
        () => addresses(c),
        () => [],
      ),
    )
    .toEqual(['10.7.0.1/30']);
  await tasks.stop();
});

test('an orphan that is intended again is the same address', async () => {
  const id = await node(port);
  await assign(id, { network: 'mgmt' });
  const before = await addresses(id);
  await assign(id, { network: 'wide' });
  expect(await addresses(id)).not.toEqual(before);
  await assign(id, { network: 'mgmt' });
  expect(await addresses(id)).toEqual(before);
});

test('an address in use is not released, however it is written', async () => {
  await network('v6', { cidr: 'fd00::/64' });
  const id = await node({ ...port, network: { interfaces: { eth0: { addresses: { 'fd00::5/64': {} } } } } });
  await assign(id, { address: 'fd00::5' });
  await ask('deleteNodeIntent', { params: { node: id, section: 'network' } }, { 'if-match': '*' });
  for (const address of ['fd00::5', 'fd00:0:0::5', 'FD00::0005'])
    await expect(release('v6', address)).rejects.toThrow(`node ${id} still reports address fd00::5: wait`);
});
