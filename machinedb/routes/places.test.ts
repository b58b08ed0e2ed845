import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, db } = await withIntents();
const network = (name: string, body: object) => ask('putNetwork', { params: { network: name }, body });

test('sites, racks, roles and networks are listed in pages', async () => {
  await ask('putSite', { params: { site: 'ams' }, body: { description: 'north' } });
  const first = await ask('listSites', { query: { limit: 1 } });
  expect(first.items).toEqual([{ name: 'ams', description: 'north' }]);
  const second = await ask('listSites', { query: { limit: 1, cursor: first.next } });
  expect(second).toEqual({ items: [{ name: 'ber' }] });
  expect((await ask('listRacks', { query: { site: 'ber' } })).items).toEqual([{ site: 'ber', name: 'r1', height: 10 }]);
  expect((await ask('listRoles', {})).items.map(({ name }) => name)).toEqual(['gpu', 'web']);
  expect((await ask('listNetworks', {})).items).toEqual([
    { name: 'mgmt', cidr: '10.1.0.0/24', gateway: '10.1.0.1', dns: ['10.1.0.53'], domain: 'example.org' },
  ]);
});

test('91 a cursor of another list is refused', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'r2' }, body: { height: 10 } });
  const sites = (await ask('listSites', { query: { limit: 1 } })).next;
  const racks = (await ask('listRacks', { query: { limit: 1 } })).next;
  const refusal = 'the cursor is not one that a list gave: start again without it';
  for (const cursor of [sites, racks]) {
    expect(cursor).toEqual(expect.any(String));
    await expect(ask('listAllocations', { params: { network: 'mgmt' }, query: { cursor } })).rejects.toThrow(refusal);
    await expect(ask('listFindings', { query: { cursor } })).rejects.toThrow(refusal);
  }
  await expect(ask('listSites', { query: { cursor: racks } })).rejects.toThrow(refusal);
  await expect(ask('listRacks', { query: { cursor: sites } })).rejects.toThrow(refusal);
  expect((await ask('listRacks', { query: { cursor: racks } })).items).toEqual([
    { site: 'ber', name: 'r2', height: 10 },
  ]);
});

test.each([
  [{ cidr: '10.5.0.1/24' }, 'cidr 10.5.0.1/24 has bits set behind its prefix length: write 10.5.0.0/24'],
  [{ cidr: '10.5.0.0/24', gateway: '10.6.0.1' }, 'gateway 10.6.0.1 is not in 10.5.0.0/24'],
  [{ cidr: '10.5.0.0/24', site: 'bre' }, 'there is no site "bre": machinedb site list shows them'],
  [
    { cidr: '10.5.0.0/24', reserved: [{ first: '10.5.0.9', last: '10.5.0.2' }] },
    'reserved range 10.5.0.9-10.5.0.2 is not in 10.5.0.0/24, or is the wrong way round',
  ],
])('the network %j is refused', async (body, message) => {
  await expect(network('bad', body)).rejects.toThrow(message);
});

test('what is used is not deleted, and the error names the user', async () => {
  const id = await node({ nics: { a: { name: 'eth0' } } });
  const body = { site: 'ber', rack: 'r1', role: 'gpu', network: 'mgmt', fqdn: 'user.example.org', reason: 'test' };
  await ask('assignNode', { params: { node: id }, body });
  const used = (what: string) => `${what} is used by user.example.org: give them another first`;
  await expect(ask('deleteRole', { params: { role: 'gpu' } })).rejects.toThrow(used('role "gpu"'));
  await expect(ask('deleteRack', { params: { site: 'ber', rack: 'r1' } })).rejects.toThrow(used('rack "r1"'));
  await expect(ask('deleteSite', { params: { site: 'ber' } })).rejects.toThrow(
    'site "ber" has rack r1: delete its racks first',
  );
  await expect(ask('deleteNetwork', { params: { network: 'mgmt' } })).rejects.toThrow(
    `network "mgmt" is intended by node/${id}: change that intent first`,
  );
  await expect(network('mgmt', { cidr: '10.1.0.128/25' })).rejects.toThrow(
    'address 10.1.0.2 of network mgmt is given out and would not be in 10.1.0.128/25',
  );
  await expect(ask('deleteRole', { params: { role: 'nobody' } })).rejects.toThrow(
    'there is no role "nobody": machinedb role list shows them',
  );
});

test('a role goes with its intent, and a new one of the same name begins empty', async () => {
  const target = { params: { role: 'web', section: 'ssh' }, body: { permit_root_login: 'no' } };
  await ask('putRoleIntent', target);
  expect(await ask('deleteRole', { params: { role: 'web' }, query: { dry_run: true } })).toEqual({ deleted: true });
  expect((await ask('getRoleIntent', { params: { role: 'web' } })).items).toHaveLength(1);
  expect(await ask('deleteRole', { params: { role: 'web' } })).toEqual({ deleted: true });
  await ask('putRole', { params: { role: 'web' }, body: {} });
  expect((await ask('getRoleIntent', { params: { role: 'web' } })).items).toEqual([]);
  const events = await db.selectFrom('event').select('kind').where('subject', '=', 'role/web').orderBy('seq').execute();
  expect(events.map(({ kind }) => kind)).toEqual(['role.put', 'role.deleted', 'role.put']);
});
