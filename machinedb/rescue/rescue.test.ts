import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import { ed25519Blob, fingerprintOfBlob, readHostCertificate } from '../../shared/ssh-certificate.ts';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { revoke } from '../trust/revoke.ts';
import { closeExpired } from './close.ts';

const { ask, askAs, node, db } = await withIntents();
const digest = (digit: string) => digit.repeat(64);
const discovery: ImageManifest = {
  ...{ name: 'discovery-2026.10', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
  files: { kernel: { sha256: digest('a'), size: 1 }, initrd: { sha256: digest('b'), size: 1 } },
  ...{ agent: digest('3'), packages: {} },
};
const put = (body: ImageManifest) => ask('putImage', { params: { image: body.name }, body });
await put(discovery);

const hostKey = () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const blob = ed25519Blob(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
  return { line: `ssh-ed25519 ${blob.toString('base64')}`, fingerprint: fingerprintOfBlob(blob) };
};
const ann = hostKey();
const rescue = (id: string, body: object = {}) =>
  ask('openRescue', { params: { node: id }, body: { operator: 'ann', public_key: ann.line, reason: 'disk', ...body } });
const explain = (mac: string) => ask('explainBoot', { query: { mac } });
const events = async (id: string) =>
  (
    await db
      .selectFrom('event')
      .select(['kind', 'actor', 'reason', 'data'])
      .where('subject', '=', `node/${id}`)
      .orderBy('seq')
      .execute()
  ).filter(({ kind }) => /^(rescue|boot)/.test(kind));
const set = (id: string, values: object) => db.updateTable('node').set(values).where('id', '=', id).execute();
const expire = (id: string) => set(id, { rescue_until: new Date(Date.now() - 1000) });

let cards = 0;
async function machine(): Promise<{ id: string; mac: string }> {
  const mac = `52:54:00:00:02:${(16 + cards++).toString(16)}`;
  const id = await node({ nics: { [mac]: { name: 'eth0', mac } } });
  await set(id, { state: 'active' });
  return { id, mac };
}

test('no rescue without an image that has an SSH server', async () => {
  const { id } = await machine();
  await expect(rescue(id)).rejects.toThrow(
    'no discovery image has an SSH server: machinedb image build discovery makes one',
  );
  await put({
    ...discovery,
    name: 'discovery-2026.11',
    files: { ...discovery.files, rescue: { sha256: digest('d'), size: 1 } },
  });
});

test('a rescue is opened for one key, is on record, and after its end the node boots as before', async () => {
  const { id, mac } = await machine();
  const before = await explain(mac);
  const { rescue: status } = await rescue(id, { public_key: `${ann.line} ann@laptop`, seconds: 600 });
  expect(status).toEqual({
    ...{ operator: 'ann', fingerprint: ann.fingerprint, by: 'ann', reason: 'disk' },
    ...{ at: status.at, until: status.until },
  });
  expect(Date.parse(status.until) - Date.parse(status.at)).toBe(600_000);
  expect(await explain(mac)).toMatchObject({
    spec: { kind: 'linux', overlays: [digest('d')], arguments: expect.arrayContaining(['machinedb.rescue=1']) },
    reason: 'rescue by ann',
  });
  expect(await askAs(id, 'getSelfRescue')).toEqual({
    operator: 'ann',
    // No comment, no options: it becomes a line of authorized_keys.
    public_key: ann.line,
    seconds_left: expect.any(Number),
  });
  await ask('closeRescue', { params: { node: id }, body: {} });
  expect(await explain(mac)).toEqual(before);
  await expect(askAs(id, 'getSelfRescue')).rejects.toThrow('the rescue is over: this machine boots as before');
  await expect(ask('closeRescue', { params: { node: id }, body: {} })).rejects.toThrow('there is nothing to end');
  const data = { operator: 'ann', fingerprint: ann.fingerprint, until: status.until };
  expect(await events(id)).toEqual([
    { kind: 'rescue.opened', actor: 'ann', reason: 'disk', data },
    { kind: 'rescue.closed', actor: 'ann', reason: 'it was ended', data: { operator: 'ann' } },
  ]);
});

test('its time ends it, and a task puts that on record, once', async () => {
  const { id, mac } = await machine();
  const before = await explain(mac);
  const { rescue: status } = await rescue(id);
  expect(Date.parse(status.until) - Date.parse(status.at)).toBe(3_600_000);
  await expire(id);
  expect(await explain(mac)).toEqual(before);
  await expect(askAs(id, 'getSelfRescue')).rejects.toThrow('the rescue is over');
  for (let times = 0; times < 2; times++) await transaction(db, closeExpired);
  expect((await events(id)).slice(1)).toEqual([
    { kind: 'rescue.closed', actor: 'system', reason: 'its time is over', data: { operator: 'ann' } },
  ]);
});

test('the key of a named operator is the one that the intent has of him', async () => {
  const { id } = await machine();
  const intend = (authorized_keys: object, headers: Record<string, string> = {}) => {
    const params = { node: id, section: 'ssh' };
    return ask('putNodeIntent', { params, query: {}, body: { authorized_keys } }, headers);
  };
  const named = (operator: string) => rescue(id, { operator, public_key: undefined });
  await expect(named('bob')).rejects.toThrow('the intent of this node has no key of bob: give it, or intend it');
  const [one, two] = [hostKey(), hostKey()];
  await intend({ root: { bob: one.line }, deploy: { bob: one.line, eve: two.line } });
  expect((await named('bob')).rescue).toMatchObject({ operator: 'bob', fingerprint: one.fingerprint });
  await intend({ root: { bob: one.line }, deploy: { bob: two.line } }, { 'if-match': '*' });
  await expect(named('bob')).rejects.toThrow('the intent of this node has several keys of bob: give the one');
  await expect(named(undefined as never)).rejects.toThrow('nobody is named: give a public key, or an operator');
});

test('nobody is let in by a machine that is not trusted, and a revocation ends a rescue', async () => {
  const { id, mac } = await machine();
  await set(id, { level: 'claimed' });
  await expect(rescue(id)).rejects.toThrow('is not approved: nobody is let in by a machine that is not trusted');
  await set(id, { level: 'approved', locked_at: new Date(), locked_reason: 'two of it' });
  await expect(rescue(id)).rejects.toThrow(`node ${id} is locked: two of it`);
  await set(id, { locked_at: null, locked_reason: null });
  await rescue(id);
  await set(id, { locked_at: new Date(), locked_reason: 'two of it' });
  expect((await explain(mac)).spec.kind).toBe('local');
  await expect(askAs(id, 'getSelfRescue')).rejects.toThrow('nobody is let in: two of it');
  await set(id, { locked_at: null, locked_reason: null });
  await transaction(db, (tx) => revoke(tx, id, 'ann', 'stolen'));
  await expect(askAs(id, 'getSelfRescue')).rejects.toThrow('the rescue is over');
  expect((await events(id)).at(-1)).toMatchObject({ kind: 'rescue.closed', reason: 'the node was revoked' });
});

test('no install begins while somebody is at work on the disks', async () => {
  const { id, mac } = await machine();
  const disk = { sha256: digest('1'), size: 5, encoding: 'zstd', raw_sha256: digest('2'), raw_size: 512 } as const;
  await put({ ...discovery, name: 'os', kind: 'disk', files: { disk } });
  await ask('reinstallNode', { params: { node: id }, body: { image: 'os', reason: 'new' } });
  await rescue(id);
  expect((await explain(mac)).reason).toBe('rescue by ann');
  expect(await askAs(id, 'getSelfInstall')).toEqual({});
  const started = { generation: 1, phase: 'started' };
  expect(await askAs(id, 'putSelfInstall', started)).toEqual({ proceed: false });
  await ask('closeRescue', { params: { node: id }, body: { reason: 'done' } });
  expect((await explain(mac)).reason).toBe('install 1 is asked for');
  expect(await askAs(id, 'putSelfInstall', started)).toEqual({ proceed: true });
});

test('the host key is certified for the names of the node and for its id, as long as the rescue; people see where it is', async () => {
  const { id } = await machine();
  await ask('assignNode', {
    params: { node: id },
    body: { fqdn: 'r1.example.org', network: 'mgmt', address: '10.1.0.77', reason: 'x' },
  });
  const { rescue: status } = await rescue(id);
  const host = hostKey();
  const { certificate: line } = await askAs(id, 'certifySelfRescue', { public_key: host.line });
  const certificate = readHostCertificate(line)!;
  expect(certificate).toMatchObject({ keyId: `rescue/${id}`, principals: [id, 'r1', 'r1.example.org', '10.1.0.77'] });
  expect(Math.abs(certificate.validBefore - Date.parse(status.until) / 1000)).toBeLessThan(5);
  const { fingerprint, known_hosts } = await ask('getSshCa', {});
  expect(certificate.ca).toBe(fingerprint);
  expect(known_hosts).toContain('@cert-authority');
  // As ssh-keygen reads it.
  expect(execFileSync('ssh-keygen', ['-L', '-f', '-'], { input: line, encoding: 'utf8' })).toContain(
    'host certificate',
  );
  const row = await db.selectFrom('node').select('rescue').where('id', '=', id).executeTakeFirstOrThrow();
  expect(row.rescue!.host).toEqual({ address: '127.0.0.1', fingerprint: host.fingerprint });
  await expect(askAs(id, 'certifySelfRescue', { public_key: 'ssh-rsa AAAA' })).rejects.toThrow('is not an ed25519 key');
});

test('one boot: it is asked for, used by the first boot that is seen, and forgotten in time', async () => {
  const { id, mac } = await machine();
  const before = await explain(mac);
  const once = (target: string) => ask('bootOnce', { params: { node: id }, body: { target, reason: 'look' } });
  const beat = (boot_id: string) =>
    db
      .insertInto('heartbeat')
      .values({
        node: id,
        at: new Date(),
        lease_ms: 1000,
        boot_id,
        seq: 1,
        facts: '',
        generation: 0,
        version: '1',
      } as never)
      .onConflict((conflict) => conflict.column('node').doUpdateSet({ boot_id } as never))
      .execute();
  await beat('b1');
  const { boot_once } = await once('discovery');
  expect(boot_once).toMatchObject({ target: 'discovery', by: 'ann', reason: 'look' });
  for (let times = 0; times < 3; times++)
    expect((await explain(mac)).reason).toBe('discovery is asked for, for one boot');
  await beat('b1');
  expect((await explain(mac)).spec.kind).toBe('linux');
  await beat('b2');
  expect(await explain(mac)).toEqual(before);
  await once('local');
  await db
    .insertInto('node_key')
    .values({ fingerprint: 'SHA256:new', node: id, kind: 'ed25519', public_key: Buffer.alloc(1), status: 'pending' })
    .execute();
  expect(await explain(mac)).toEqual(before);
  expect((await events(id)).map(({ kind, data }) => [kind, data.target])).toEqual([
    ['boot.once', 'discovery'],
    ['boot.once', 'local'],
  ]);
  await set(id, { revoked_at: new Date() });
  await expect(once('local')).rejects.toThrow('is revoked: it starts its disk');
});
