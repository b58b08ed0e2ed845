import { createPublicKey, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { canonical } from '../../shared/canonical.ts';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { withIntents } from '../testing/intents.ts';
import { project } from './project.ts';

const { ask, node, report, now, db, keys } = await withIntents();
const put = (id: string, section: string, body: object) =>
  ask('putNodeIntent', { params: { node: id, section }, body }, { 'if-match': undefined });
const findings = (id: string) => db.selectFrom('finding').selectAll().where('node', '=', id).orderBy('path').execute();
const facts = {
  system: { manufacturer: 'Acme', product: 'R1', serial: 'S1', uuid: 'u1' },
  hostname: { hostname: 'old', fqdn: 'old.example.org' },
  nics: { a: { name: 'eth0', mac: '52:54:00:00:00:0a' } },
};

test('a node without intent is unmanaged: no finding, generation 0, but its facts are in the lists', async () => {
  const id = await node(facts);
  expect(await now(id)).toMatchObject({
    generation: 0,
    wanted: {},
    findings: 0,
    observed_name: 'old.example.org',
    model: 'Acme R1',
    serial: 'S1',
    uuid: 'u1',
    macs: ['52:54:00:00:00:0a'],
    mode: 'observe',
    tags: [],
  });
  expect(await findings(id)).toEqual([]);
});

test('the generation grows only with the wanted state, which is signed', async () => {
  const id = await node(facts);
  await put(id, 'tags', { gpu: true });
  const first = await now(id);
  expect(first).toMatchObject({ generation: 1, wanted: { tags: { gpu: true } }, tags: ['gpu'] });
  await report(id, { ...facts, os: { distribution: 'debian' } });
  expect(await now(id)).toMatchObject({ generation: 1, signature: first.signature });

  const key = keys.trust().wanted_keys.find(({ id: name }) => name === first.signing_key);
  const text = canonical({ node: id, generation: 1, wanted: first.wanted });
  const publicKey = createPublicKey({ key: Buffer.from(key?.public_key ?? '', 'base64'), type: 'spki', format: 'der' });
  expect(verify(null, Buffer.from(text), publicKey, Buffer.from(first.signature ?? '', 'base64'))).toBe(true);

  const derived = await db
    .selectFrom('revision')
    .select('data')
    .where('subject', '=', `node/${id}`)
    .where('side', '=', 'derived')
    .execute();
  expect(derived).toEqual([{ data: { wanted: { tags: { gpu: true } }, generation: 1 } }]);
});

test('a finding keeps its first sight until it is mended, and its acknowledgement while the same is reported', async () => {
  const id = await node(facts);
  await put(id, 'hostname', { hostname: 'new', domain: 'mend.example.org' });
  await put(id, 'ssh', { permit_root_login: 'no' });
  const before = await findings(id);
  expect(before.map(({ path, kind, severity, message }) => ({ path, kind, severity, message }))).toEqual([
    {
      path: '',
      kind: 'unknown',
      severity: 'info',
      message: 'ssh has not been reported, so nobody knows whether it is as wanted',
    },
    {
      path: '/domain',
      kind: 'missing',
      severity: 'warning',
      message: 'hostname/domain is missing: wanted "mend.example.org"',
    },
    {
      path: '/fqdn',
      kind: 'mismatch',
      severity: 'warning',
      message: 'hostname/fqdn is "old.example.org": wanted "new.mend.example.org"',
    },
    { path: '/hostname', kind: 'mismatch', severity: 'warning', message: 'hostname/hostname is "old": wanted "new"' },
  ]);
  expect((await now(id)).findings).toBe(4);

  const mine = before[3]!;
  const { finding } = await ask('acknowledgeFinding', {
    params: { id: mine.id },
    body: { reason: 'renamed on Monday' },
  });
  expect(finding).toMatchObject({ id: mine.id, acknowledged: { by: 'ann', reason: 'renamed on Monday' } });
  expect((await now(id)).findings).toBe(3);
  const listed = await ask('listFindings', { query: { acknowledged: true } });
  expect(listed.items.map((item) => item.id)).toContain(mine.id);

  const hostnameFinding = async () => (await findings(id)).find(({ path }) => path === '/hostname');
  await report(id, { ...facts, ssh: { permit_root_login: 'no' } });
  expect(await hostnameFinding()).toMatchObject({ id: mine.id, first_seen: mine.first_seen, acknowledged_by: 'ann' });
  expect((await now(id)).findings).toBe(2);
  await report(id, { ...facts, hostname: { ...facts.hostname, hostname: 'other' }, ssh: { permit_root_login: 'no' } });
  expect(await hostnameFinding()).toMatchObject({
    id: mine.id,
    first_seen: mine.first_seen,
    got: 'other',
    acknowledged_by: null,
    acknowledged_until: null,
    acknowledged_reason: null,
  });
  expect((await now(id)).findings).toBe(3);
  await report(id, {
    ...facts,
    hostname: { hostname: 'new', domain: 'mend.example.org', fqdn: 'new.mend.example.org' },
    ssh: { permit_root_login: 'no' },
  });
  expect(await findings(id)).toEqual([]);
  expect((await now(id)).findings).toBe(0);
  await expect(ask('acknowledgeFinding', { params: { id: mine.id }, body: { reason: 'late' } })).rejects.toThrow(
    `there is no finding ${mine.id}: it may have been mended; machinedb findings lists them`,
  );
});

test('a name belongs to one node, whichever layer it comes from', async () => {
  const [a, b] = [await node(), await node()];
  await put(a, 'hostname', { hostname: 'one', domain: 'example.org' });
  await expect(put(b, 'hostname', { hostname: 'one', domain: 'example.org' })).rejects.toMatchObject({
    status: 409,
    message: `the name one.example.org belongs to node ${a} already: take another, or rename that node first`,
    errors: [{ pointer: '/hostname' }],
  });
  await ask('assignNode', { params: { node: a }, body: { role: 'web', reason: 'test' } });
  await ask('assignNode', { params: { node: b }, body: { role: 'web', reason: 'test' } });
  await put(b, 'hostname', { domain: 'example.org' });
  await expect(
    ask('putRoleIntent', { params: { role: 'web', section: 'hostname' }, body: { hostname: 'one' } }),
  ).rejects.toMatchObject({ code: 'conflict' });
});

test('a change of a network reaches the nodes that have addresses of it', async () => {
  const id = await node(facts);
  await ask('assignNode', { params: { node: id }, body: { network: 'mgmt', reason: 'test' } });
  await ask('putNetwork', { params: { network: 'mgmt' }, body: { cidr: '10.1.0.0/24', gateway: '10.1.0.254' } });
  expect((await now(id)).wanted).toEqual({
    network: { interfaces: { eth0: { addresses: { '10.1.0.2/24': {} }, gateway: '10.1.0.254' } } },
  });
});

test('2,000 nodes in one call, and a second call changes nothing', async () => {
  await ask('putRole', { params: { role: 'many' }, body: {} });
  const ids = Array.from({ length: 2000 }, () => crypto.randomUUID());
  await db
    .insertInto('node')
    .values(ids.map((id) => ({ id, hardware: '{}' })))
    .execute();
  await db
    .insertInto('node_now')
    .values(ids.map((id) => ({ node: id, observed: '{}', hashes: '{}', errors: '{}', wanted: '{}' }) as never))
    .execute();
  const again = () =>
    transaction(db, async (tx) => {
      const projected = await project(tx, keys, ids, 'test');
      await append(tx, projected.revisions);
      return projected;
    });
  await transaction(db, (tx) =>
    append(
      tx,
      ids.map((id) => ({
        subject: `node/${id}`,
        side: 'intended',
        source: 'operator',
        section: 'role',
        data: { name: 'many' },
        actor: 'test',
      })),
    ),
  );
  const first = await again();
  expect([first.affected.length, first.nodes.length, first.revisions.length]).toEqual([2000, 1000, 2000]);
  expect(await again()).toEqual({ affected: [], nodes: [], revisions: [] });
}, 30_000);

test('a neighbour that a machine reports decides which port is meant, and a report of another one is a finding', async () => {
  const id = await node(facts);
  const seen = (port_id: string) => ({
    eth0: { [`sw1 ${port_id}`]: { chassis_id: 'sw1', system_name: 'sw1', port_id } },
  });
  await put(id, 'network', { interfaces: { uplink: { match: { lldp: { system: 'sw1', port: 'p7' } }, mtu: 9000 } } });
  const network = { interfaces: { eth0: { mtu: 9000 } } };
  expect(await now(id)).toMatchObject({ generation: 0, wanted: {}, findings: 1 });
  await report(id, { ...facts, network, lldp: seen('p7') });
  expect(await now(id)).toMatchObject({ generation: 1, wanted: { network }, findings: 0 });
  await report(id, { ...facts, network, lldp: seen('p8') });
  expect(await now(id)).toMatchObject({ generation: 2, wanted: {}, findings: 1 });
  expect((await findings(id)).map(({ path, severity, message }) => ({ path, severity, message }))).toEqual([
    {
      path: '/interfaces/uplink',
      severity: 'error',
      message:
        'no port of this machine matches {"lldp":{"port":"p7","system":"sw1"}}: its LLDP neighbours are "sw1" port "p8" on eth0',
    },
  ]);
});
