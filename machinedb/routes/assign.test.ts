import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, now, db } = await withIntents();
const nics = {
  a: { name: 'eth0', mac: '52:54:00:00:00:0a' },
  b: { name: 'eth1', mac: '52:54:00:00:00:0b' },
};
const assign = (id: string, body: object, query = {}) =>
  ask('assignNode', { params: { node: id }, query, body: { ...body, reason: 'test' } });

test('place, role, tags, name and address in one go, and one event', async () => {
  const id = await node({ nics, network: { interfaces: { eth0: {}, eth1: { gateway: '10.1.0.1' } } } });
  const given = { site: 'ber', rack: 'r1', unit: 1, role: 'gpu', tags: ['a', 'b'], fqdn: 'n1.example.org' };
  const plan = await assign(id, { ...given, address: '10.1.0.77', mode: 'enforce' });
  expect(plan).toMatchObject({ applied: true, affected: 1, nodes: [{ node: id, fqdn: 'n1.example.org' }] });
  expect((await now(id)).wanted).toEqual({
    placement: { site: 'ber', rack: 'r1', unit: 1 },
    role: { name: 'gpu' },
    tags: { a: true, b: true },
    mode: { mode: 'enforce' },
    hostname: { hostname: 'n1', domain: 'example.org', fqdn: 'n1.example.org' },
    network: {
      interfaces: { eth1: { addresses: { '10.1.0.77/24': {} }, gateway: '10.1.0.1' } },
      dns: { servers: { '10.1.0.53': true }, search: { 'example.org': true } },
    },
  });
  const events = await db
    .selectFrom('event')
    .select(['kind', 'actor', 'reason'])
    .where('subject', '=', `node/${id}`)
    .execute();
  expect(events).toEqual([{ kind: 'node.assigned', actor: 'ann', reason: 'test' }]);
  // By its intended name from now on.
  await assign('n1.example.org', { unit: 2 });
  expect((await now(id)).unit).toBe(2);
});

test('the same site or rack again keeps the place; another one ends it', async () => {
  const id = await node();
  await assign(id, { site: 'ber', rack: 'r1', unit: 7, height: 2 });
  await assign(id, { site: 'ber', role: 'gpu' });
  await assign(id, { rack: 'r1', role: 'web' });
  expect((await now(id)).wanted).toMatchObject({ placement: { site: 'ber', rack: 'r1', unit: 7, height: 2 } });
  await ask('putRack', { params: { site: 'ber', rack: 'r2' }, body: { height: 10 } });
  await assign(id, { rack: 'r2' });
  expect((await now(id)).wanted.placement).toEqual({ site: 'ber', rack: 'r2', height: 2 });
  await ask('putSite', { params: { site: 'ams' }, body: {} });
  await assign(id, { site: 'ams' });
  expect((await now(id)).wanted.placement).toEqual({ site: 'ams' });
});

test('what cannot be assigned is told, and nothing of it is done', async () => {
  const id = await node({ nics });
  await expect(assign(id, {})).rejects.toThrow(
    'nothing is assigned: give a site, role, tags, fqdn, network, address or mode',
  );
  await expect(assign(id, { role: 'gpu', network: 'mgmt', interface: 'eth7' })).rejects.toThrow(
    'the node reports no interface eth7: it has eth0, eth1',
  );
  for (const address of ['foo', '10.1.0.5/24'])
    await expect(assign(id, { address })).rejects.toMatchObject({
      status: 400,
      message: `${address} is not an IP address: give one without prefix length`,
    });
  await expect(assign(id, { role: 'gpu', fqdn: 'N1.example.org' })).rejects.toMatchObject({ code: 'invalid' });
  expect((await now(id)).wanted).toEqual({});
  await expect(assign('nobody', { role: 'gpu' })).rejects.toThrow(
    'there is no node "nobody" by id or intended FQDN: machinedb nodes lists them',
  );
  const dry = await assign(id, { role: 'gpu', network: 'mgmt' }, { dry_run: true });
  expect(dry).toMatchObject({ applied: false, affected: 1 });
  expect((await now(id)).wanted).toEqual({});
  expect(await db.selectFrom('allocation').select('address').where('node', '=', id).execute()).toEqual([]);
});

test('adopt makes the reported configuration the intent, and then nothing differs', async () => {
  const observed = {
    nics,
    hostname: { hostname: 'brown', domain: 'field.example', fqdn: 'brown.field.example' },
    network: {
      interfaces: { eth0: { mtu: 1500, addresses: { '10.1.0.40/24': {} }, gateway: '10.1.0.1' } },
      dns: { servers: { '9.9.9.9': true }, search: {} },
    },
    ssh: { permit_root_login: 'no', password_authentication: false, host_keys: {} },
  };
  const id = await node(observed);
  await ask('adoptNode', { params: { node: id }, body: { sections: ['hostname', 'network', 'ssh'], reason: 'test' } });
  expect((await now(id)).wanted).toMatchObject({
    hostname: observed.hostname,
    network: {
      interfaces: { eth0: { mtu: 1500, addresses: { '10.1.0.40/24': {} }, gateway: '10.1.0.1' } },
      dns: { servers: { '9.9.9.9': true } },
    },
    ssh: { permit_root_login: 'no', password_authentication: false },
  });
  expect(await db.selectFrom('finding').selectAll().where('node', '=', id).execute()).toEqual([]);
  await expect(
    ask('adoptNode', { params: { node: id }, body: { sections: ['repos'], reason: 'test' } }),
  ).rejects.toThrow(`node ${id} has not reported repos: there is nothing to adopt`);
});

test('adopting an address that lies in no network says how to make one', async () => {
  const id = await node({ nics, network: { interfaces: { eth0: { addresses: { '172.16.0.9/16': {} } } } } });
  await expect(
    ask('adoptNode', { params: { node: id }, body: { sections: ['network'], reason: 'test' } }),
  ).rejects.toThrow('address 172.16.0.9/16 of eth0 is in no network: machinedb network put makes one for it');
});

test('hold and state are on the node and in the feed', async () => {
  const id = await node();
  const held = await ask('holdNode', { params: { node: id }, body: { hold: true, reason: 'being moved' } });
  expect(held.node).toMatchObject({ id, hold: true });
  const moved = await ask('setNodeState', { params: { node: id }, body: { state: 'maintenance', reason: 'fan' } });
  expect(moved.node).toMatchObject({ id, state: 'maintenance' });
  const events = await db
    .selectFrom('event')
    .select(['kind', 'reason'])
    .where('subject', '=', `node/${id}`)
    .orderBy('seq')
    .execute();
  expect(events).toEqual([
    { kind: 'node.hold', reason: 'being moved' },
    { kind: 'node.state', reason: 'fan' },
  ]);
  const derived = await db
    .selectFrom('revision')
    .select('data')
    .where('subject', '=', `node/${id}`)
    .where('section', '=', 'state')
    .execute();
  expect(derived).toEqual([{ data: { state: 'maintenance', level: 'approved' } }]);
});
