import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, db } = await withIntents();
const network = (
  name: string,
  { site, rack, ...body }: { site?: string; rack?: string; cidr: string; [key: string]: unknown },
) => ask('putNetwork', { params: { network: name }, query: { site, rack }, body });

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

test('a network takes no address that is given out as its gateway', async () => {
  const id = await node({ nics: { a: { name: 'eth0' } } });
  await network('gate', { cidr: '10.3.0.0/24' });
  await ask('assignNode', {
    params: { node: id },
    body: { network: 'gate', fqdn: 'gate.example.org', reason: 'test' },
  });
  const put = () => network('gate', { cidr: '10.3.0.0/24', gateway: '10.3.0.1' });
  await expect(put()).rejects.toMatchObject({
    status: 409,
    message: 'address 10.3.0.1 is given to gate.example.org: take another gateway, or release it there first',
  });
  await ask('deleteNodeIntent', { params: { node: id, section: 'network' } }, { 'if-match': '*' });
  await ask('releaseAllocation', { params: { network: 'gate', address: '10.3.0.1' } });
  await expect(put()).rejects.toThrow(
    'address 10.3.0.1 was released a short time ago and rests: take another gateway, or wait',
  );
});

test('networks of one site, or of all, do not overlap', async () => {
  await ask('putSite', { params: { site: 'ams' }, body: {} });
  await network('in-ber', { cidr: '10.40.0.0/16', site: 'ber' });
  await network('in-ams', { cidr: '10.40.0.0/16', site: 'ams' });
  await network('in-ams', { cidr: '10.40.0.0/17', site: 'ams' });
  for (const body of [{ cidr: '10.40.7.0/24' }, { cidr: '10.0.0.0/8', site: 'ber' }])
    await expect(network('over', body)).rejects.toMatchObject({
      status: 409,
      message: expect.stringMatching(/ overlaps network (in-ams of site ams|in-ber of site ber|gate|mgmt) \(/),
    });
  await expect(network('over', { cidr: '10.40.7.0/24', site: 'ams' })).rejects.toThrow(
    '10.40.7.0/24 overlaps network in-ams of site ams (10.40.0.0/17): an address belongs to one network',
  );
  const both = ['one', 'two'].map((name) => network(name, { cidr: '10.50.0.0/24' }));
  expect((await Promise.allSettled(both)).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('a role or site that a rule or a join token gives is not deleted', async () => {
  await ask('putRole', { params: { role: 'given' }, body: {} });
  await ask('putSite', { params: { site: 'given' }, body: {} });
  const values = { role: 'given', site: 'given', created_by: 'ann' };
  await db
    .insertInto('approval_rule')
    .values({ name: 'lab', ...values })
    .execute();
  const expires_at = new Date(Date.now() + 60_000);
  await db
    .insertInto('join_token')
    .values({ hash: 'h1', uses_left: 1, expires_at, ...values })
    .execute();
  await db
    .insertInto('join_token')
    .values({ hash: 'h2', uses_left: 1, expires_at: new Date(0), ...values })
    .execute();
  const refused = async (message: (what: string) => string) => {
    await expect(ask('deleteRole', { params: { role: 'given' } })).rejects.toThrow(message('role "given"'));
    await expect(ask('deleteSite', { params: { site: 'given' } })).rejects.toMatchObject({
      status: 409,
      message: message('site "given"'),
    });
  };
  await refused((what) => `${what} is given by approval rule lab: change it, or machinedb rule delete lab`);
  await db.deleteFrom('approval_rule').execute();
  await refused(
    (what) => `${what} is given by a join token of ann: it can go when that ends, ${expires_at.toISOString()}`,
  );
  await db.updateTable('join_token').set({ uses_left: 0 }).execute();
  await ask('deleteRole', { params: { role: 'given' } });
  await ask('deleteSite', { params: { site: 'given' } });
});

test('a site or role takes with it what is over, of its own alone: revoked relays and tokens that ended', async () => {
  await ask('putRole', { params: { role: 'goes' }, body: {} });
  for (const site of ['goes', 'stays']) await ask('putSite', { params: { site }, body: {} });
  const relay = (name: string, site: string, revoked_at: Date | null) =>
    db.insertInto('relay').values({ name, site, hash: name, created_by: 'ann', revoked_at }).execute();
  const old = new Date();
  await relay('r1', 'goes', null);
  await relay('r2', 'goes', old);
  await relay('r3', 'stays', old);
  await relay('r4', 'stays', null);
  const token = (hash: string, place: object) =>
    db
      .insertInto('join_token')
      .values({ hash, uses_left: 0, expires_at: old, created_by: 'ann', ...place })
      .execute();
  await token('t1', { role: 'goes' });
  await token('t2', { role: 'web' });
  await expect(ask('deleteSite', { params: { site: 'goes' } })).rejects.toThrow();
  await db.updateTable('relay').set({ revoked_at: old }).where('name', '=', 'r1').execute();
  await ask('deleteSite', { params: { site: 'goes' } });
  await ask('deleteRole', { params: { role: 'goes' } });
  const relays = await db.selectFrom('relay').select('name').orderBy('name').execute();
  const tokens = await db.selectFrom('join_token').select('hash').orderBy('hash').execute();
  expect([relays.map(({ name }) => name), tokens.map(({ hash }) => hash)]).toEqual([['r3', 'r4'], ['t2']]);
});
