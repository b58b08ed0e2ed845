import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, now, db } = await withIntents();
const ssh = { permit_root_login: 'no' };
const gpu = { role: 'gpu' };
const section = (name: string, more: object) => ({ params: { ...more, section: name } });

test('a misspelt thing is refused with the way out, and the place of what is wrong', async () => {
  const id = await node();
  const put = (name: string, body: object) => ask('putNodeIntent', { ...section(name, { node: id }), body });
  await expect(put('role', { name: 'gpuu' })).rejects.toThrow(
    'there is no role "gpuu": machinedb role list shows them, machinedb role put gpuu makes it',
  );
  await expect(put('placement', { site: 'ber', rack: 'r9' })).rejects.toThrow(
    'there is no rack "r9" in site "ber": machinedb rack list shows them, machinedb rack put ber r9 --height 42 makes it',
  );
  await expect(put('network', { interfaces: { a: { addresses: { p: { network: 'mgmnt' } } } } })).rejects.toThrow(
    'there is no network "mgmnt": machinedb network list shows them, machinedb network put mgmnt makes it',
  );
  await expect(put('network', { interfaces: { a: { mtuu: 1 } } })).rejects.toMatchObject({
    code: 'invalid',
    message: 'network/interfaces/a: Unrecognized key: "mtuu"',
    errors: [{ pointer: '/interfaces/a', detail: 'Unrecognized key: "mtuu"' }],
  });
  await expect(ask('putRoleIntent', { ...section('role', gpu), body: { name: 'gpu' } })).rejects.toThrow(
    'role belongs to single nodes: set it on a node, not on role/gpu',
  );
  await expect(ask('putRoleIntent', { ...section('ssh', { role: 'gpuu' }), body: ssh })).rejects.toThrow(
    'there is no role "gpuu": machinedb role list shows them, machinedb role put gpuu makes it',
  );
});

test('88: of two writers that read the same version one wins, the other gets 412', async () => {
  const target = section('ssh', gpu);
  const { etag } = await ask('putRoleIntent', { ...target, body: ssh });
  await expect(ask('putRoleIntent', { ...target, body: {} })).rejects.toMatchObject({
    status: 428,
    message: `ssh of role/gpu is there already: name the version you replace (If-Match: ${etag})`,
  });
  const write = (login: string) =>
    ask('putRoleIntent', { ...target, body: { permit_root_login: login } }, { 'if-match': etag });
  const done = await Promise.allSettled(['yes', 'prohibit-password', 'forced-commands-only', 'yes'].map(write));
  expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const lost = done.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  expect(lost.map(({ status, code }) => [status, code])).toEqual(lost.map(() => [412, 'stale']));
  const [open] = (await ask('getRoleIntent', { params: gpu })).items;
  expect(lost[0].message).toBe(
    `ssh of role/gpu is version ${open?.etag} now, not ${etag}: read it again and decide anew`,
  );
  await ask('deleteRoleIntent', target, { 'if-match': open?.etag });
  expect((await ask('getRoleIntent', { params: gpu })).items).toEqual([]);
  await expect(ask('deleteRoleIntent', target)).rejects.toThrow('there is no ssh of role/gpu');
});

test('89: the same idempotency key with another body is 422', async () => {
  const headers = { 'idempotency-key': '"k89"' };
  const target = section('ssh', { role: 'web' });
  await ask('putRoleIntent', { ...target, body: ssh }, headers);
  await expect(ask('putRoleIntent', { ...target, body: {} }, headers)).rejects.toMatchObject({
    status: 422,
    message: 'Idempotency-Key "k89" was used for another request: take a new key',
  });
});

test('89: the same idempotency key for another act with the same words is 422, and the act is not taken for done', async () => {
  const headers = { 'idempotency-key': '"k89b"' };
  const target = { params: { role: 'twice' } };
  expect(await ask('putRole', { ...target, body: {} }, headers)).toEqual({ name: 'twice' });
  await expect(ask('deleteRole', { ...target, body: {} }, headers)).rejects.toMatchObject({
    status: 422,
    message: 'Idempotency-Key "k89b" was used for another request: take a new key',
  });
});

test('90: a retry after a lost reply gets the first reply, and writes nothing', async () => {
  const headers = { 'idempotency-key': '"k90"' };
  const target = { ...section('repos', { role: 'web' }), body: { apt: {} } };
  const first = await ask('putRoleIntent', target, headers);
  const count = () =>
    db
      .selectFrom('revision')
      .select(({ fn }) => fn.countAll().as('n'))
      .executeTakeFirstOrThrow();
  const before = await count();
  // Without the key it would be refused: the section is there, and no version is named.
  expect(await ask('putRoleIntent', target, headers)).toEqual(first);
  expect(await count()).toEqual(before);
});

test('a dry run answers the plan and changes nothing; max_affected guards', async () => {
  const ids = [await node(), await node()];
  for (const id of ids) await ask('assignNode', { params: { node: id }, body: { role: 'gpu', reason: 'test' } });
  const put = (query: object) => ask('putRoleIntent', { ...section('ssh', gpu), query, body: ssh });
  const plan = await put({ dry_run: true });
  expect(plan).toEqual({
    applied: false,
    affected: 2,
    nodes: ids
      .sort()
      .map((id) => ({ node: id, fqdn: undefined, changes: [{ path: '/ssh', to: expect.objectContaining(ssh) }] })),
  });
  expect((await now(ids[0]!)).wanted).toEqual({ role: { name: 'gpu' } });
  await expect(put({ max_affected: 1 })).rejects.toMatchObject({
    status: 422,
    message: '2 nodes would change, and max_affected is 1: look at the dry run, then raise it',
  });
  expect(await put({ max_affected: 2 })).toMatchObject({ applied: true, affected: 2, etag: expect.any(String) });
  expect((await now(ids[0]!)).wanted).toEqual({ role: { name: 'gpu' }, ssh: expect.objectContaining(ssh) });
});

test('a node that is assigned while its role is written gets what the role says', async () => {
  for (let round = 0; round < 5; round++) {
    await ask('putRole', { params: { role: `race-${round}` }, body: {} });
    const ids = await Promise.all(Array.from({ length: 4 }, () => node()));
    await Promise.all([
      ...ids.map((id) => ask('assignNode', { params: { node: id }, body: { role: `race-${round}`, reason: 'test' } })),
      ask('putRoleIntent', { ...section('ssh', { role: `race-${round}` }), body: ssh }),
    ]);
    for (const id of ids) expect((await now(id)).wanted).toMatchObject({ ssh });
  }
});

test('assignments at the same time lose nothing of each other', async () => {
  const id = await node();
  const assign = (body: object) => ask('assignNode', { params: { node: id }, body: { ...body, reason: 'test' } });
  await assign({ site: 'ber', rack: 'r1' });
  await Promise.all([assign({ unit: 9 }), assign({ height: 2 }), assign({ face: 'rear' })]);
  expect((await now(id)).wanted).toEqual({ placement: { site: 'ber', rack: 'r1', unit: 9, height: 2, face: 'rear' } });
});

test('a layer adds to what wider ones list, takes from it, or replaces it, and explain tells each', async () => {
  const id = await node();
  await ask('putRole', { params: { role: 'listed' }, body: {} });
  await ask('assignNode', { params: { node: id }, body: { role: 'listed', tags: ['own'], reason: 'test' } });
  await ask('putRoleIntent', { ...section('tags', { role: 'listed' }), body: { a: true, b: true } });
  expect((await now(id)).tags).toEqual(['a', 'b', 'own']);
  const own = async (body: object) => {
    const { items } = await ask('getNodeIntent', { params: { node: id } });
    const { etag } = items.find((item) => item.section === 'tags')!;
    await ask('putNodeIntent', { ...section('tags', { node: id }), body }, { 'if-match': etag });
    return (await now(id)).tags;
  };
  expect(await own({ own: true, b: null })).toEqual(['a', 'own']);
  expect(await own({ own: true, $replace: true })).toEqual(['own']);
  const { explain } = await ask('getNodeIntent', { params: { node: id }, query: { explain: true } });
  const overrides = [{ layer: 'role/listed', value: true }];
  expect(explain?.filter(({ path }) => path.startsWith('/tags'))).toEqual([
    { path: '/tags/a', layer: `node/${id}`, overrides },
    { path: '/tags/b', layer: `node/${id}`, overrides },
    { path: '/tags/own', value: true, layer: `node/${id}`, overrides: [] },
  ]);
  await expect(own({ $replace: 'yes' })).rejects.toMatchObject({ code: 'invalid' });
});

test('explain names the layer of each value', async () => {
  const id = await node();
  await ask('putFleetIntent', { ...section('mode', {}), body: { mode: 'plan' } });
  await ask('putNodeIntent', { ...section('mode', { node: id }), body: { mode: 'enforce' } });
  const { explain } = await ask('getNodeIntent', { params: { node: id }, query: { explain: true } });
  expect(explain).toEqual([
    { path: '/mode/mode', value: 'enforce', layer: `node/${id}`, overrides: [{ layer: 'fleet', value: 'plan' }] },
  ]);
  expect((await now(id)).mode).toBe('enforce');
});

test('a network that contradicts itself is refused, in one layer and in the layers of a node together', async () => {
  const id = await node();
  const vlan = { vlan: { id: 7, parent: 'bond0' } };
  const bond = { bond: { members: { eth0: true }, mode: '802.3ad' } };
  await ask('putRole', { params: { role: 'bonded' }, body: {} });
  // The role's VLAN may stand on a bond that the node's own layer has.
  const role = await ask('putRoleIntent', {
    ...section('network', { role: 'bonded' }),
    body: { interfaces: { v7: vlan } },
  });
  await expect(
    ask('assignNode', { params: { node: id }, body: { role: 'bonded', reason: 'test' } }),
  ).rejects.toMatchObject({
    code: 'invalid',
    message: `node ${id}: network/interfaces/v7/vlan/parent: there is no interface "bond0": intend it, too, or name another`,
    errors: [
      { pointer: '/interfaces/v7/vlan/parent', detail: expect.stringContaining('there is no interface "bond0"') },
    ],
  });
  await ask('putNodeIntent', {
    ...section('network', { node: id }),
    body: { interfaces: { bond0: bond, eth0: {} } },
  });
  await ask('assignNode', { params: { node: id }, body: { role: 'bonded', reason: 'test' } });
  expect((await now(id)).wanted.network).toMatchObject({ interfaces: { v7: { kind: 'vlan', parent: 'bond0' } } });
  const double = { eth8: { gateway: '10.1.0.1' }, eth9: { gateway: '10.2.0.1' } };
  const headers = { 'if-match': role.etag! };
  await expect(
    ask('putRoleIntent', { ...section('network', { role: 'bonded' }), body: { interfaces: double } }, headers),
  ).rejects.toThrow(
    'network/interfaces/eth9/gateway: eth8/gateway is an IPv4 default route with the same metric: give one of them another metric',
  );
});
