import { generateKeyPairSync, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import { imageText } from '../../shared/image-text.ts';
import { readHostCertificate } from '../../shared/ssh-certificate.ts';
import { withIntents } from '../testing/intents.ts';

const { ask, askAs, node, db, keys, report } = await withIntents();
const digest = (digit: string) => digit.repeat(64);
const disk = { sha256: digest('1'), size: 5, encoding: 'zstd', raw_sha256: digest('2'), raw_size: 512 } as const;
const manifest: ImageManifest = {
  ...{ name: 'base-os-2026.11', kind: 'disk', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
  ...{ files: { disk }, agent: digest('3'), packages: { systemd: '252' } },
};
const discovery: ImageManifest = {
  ...{ ...manifest, name: 'discovery-2026.11', kind: 'discovery' },
  files: { kernel: { sha256: digest('a'), size: 1 }, initrd: { sha256: digest('b'), size: 1 } },
};
const put = (body: ImageManifest, name = body.name) => ask('putImage', { params: { image: name }, body });
await put(manifest);
await put(discovery);

const reinstall = (id: string, body: object = {}) =>
  ask('reinstallNode', { params: { node: id }, body: { image: manifest.name, reason: 'new', ...body } });
const explain = (mac: string) => ask('explainBoot', { query: { mac } });
const events = async (id: string) =>
  (await db.selectFrom('event').select('kind').where('subject', '=', `node/${id}`).orderBy('seq').execute()).map(
    ({ kind }) => kind,
  );
const stateOf = async (id: string) =>
  await db
    .selectFrom('node')
    .select(['state', 'reinstall', 'installed'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
const findingsOf = async (id: string) =>
  (await db.selectFrom('finding').select('message').where('node', '=', id).execute()).map(({ message }) => message);

let cards = 0;
async function machine(): Promise<{ id: string; mac: string }> {
  const mac = `52:54:00:00:01:${(16 + cards++).toString(16)}`;
  const id = await node({ os: { discovery: true }, nics: { [mac]: { name: 'eth0', mac } } });
  return { id, mac };
}

test('an image in the catalogue is signed, and its name means nothing else ever', async () => {
  const { key, signature } = await put(manifest);
  const spki = keys.trust().wanted_keys.find(({ id }) => id === key)!.public_key;
  const publicKey = { key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' } as const;
  expect(verify(null, Buffer.from(imageText(manifest)), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
  await expect(put({ ...manifest, agent: digest('4') })).rejects.toThrow(
    'image base-os-2026.11 is in the catalogue with other content: give the new one another name',
  );
  await expect(put({ ...manifest, name: 'x', files: {} })).rejects.toThrow('must have a disk among its files');
  await expect(put(manifest, 'y')).rejects.toThrow('the manifest is of image base-os-2026.11, and the path names y');
  expect(await ask('listImages', { query: {} })).toMatchObject({
    items: [
      { name: 'base-os-2026.11', size_bytes: 5 },
      { name: 'discovery-2026.11', size_bytes: 2 },
    ],
  });
});

test('the discovery image starts with the files of the newest, the pins, the time, and boots again after a panic', async () => {
  const before = Math.floor(Date.now() / 1000);
  const { spec } = await explain('52:54:00:00:99:01');
  if (spec.kind !== 'linux') throw new Error(`it is ${spec.kind}`);
  const { arguments: words, ...files } = spec;
  expect(files).toEqual({ kind: 'linux', kernel: digest('a'), initrd: digest('b') });
  expect(words.slice(0, -1)).toEqual([
    ...['quiet', 'console=tty0', 'console=ttyS0,115200', 'panic=30'],
    `machinedb.pin=${keys.trust().pins.join(',')}`,
  ]);
  const time = Number(/^machinedb\.time=(\d+)$/.exec(words.at(-1)!)?.[1]);
  expect([time >= before, time <= Date.now() / 1000]).toEqual([true, true]);
});

test('an install is asked for, done once, and closes its window; the node goes its way through the states', async () => {
  const { id, mac } = await machine();
  expect(await explain(mac)).toMatchObject({ spec: { kind: 'linux' }, node: id, state: 'approved' });
  expect(await askAs(id, 'getSelfInstall')).toEqual({});
  const { install } = await reinstall(id);
  expect(install).toMatchObject({ generation: 1, image: manifest.name, wipe: false, by: 'ann', pending: true });
  expect((await explain(mac)).reason).toBe('install 1 is asked for');
  expect(await askAs(id, 'getSelfInstall')).toMatchObject({
    install: { generation: 1, image: { manifest }, wipe: false, disk: {} },
  });
  const tell = (phase: string, more = {}) => askAs(id, 'putSelfInstall', { generation: 1, phase, ...more });
  expect(await tell('started', { disk: 'S1' })).toEqual({ proceed: true });
  expect((await stateOf(id)).state).toBe('installing');
  for (const percent of [5, 10, 15, 30, 60, 95]) await tell('writing', { percent });
  await tell('installed');
  expect(await stateOf(id)).toEqual({ state: 'configuring', reinstall: 1, installed: 1 });
  // The last word again, because its answer was lost; and a word that comes too late.
  expect(await tell('installed')).toEqual({ proceed: true });
  expect(await tell('started')).toEqual({ proceed: false });
  expect(await askAs(id, 'getSelfInstall')).toEqual({});
  expect((await explain(mac)).spec).toEqual({ kind: 'local' });
  expect(await events(id)).toEqual([
    ...['install.asked', 'install.started', 'node.state'],
    // 5, 30, 60 and 95 percent: what lies between is no news.
    ...['install.writing', 'install.writing', 'install.writing', 'install.writing', 'install.installed', 'node.state'],
  ]);
});

test('a failed install is a finding that says why, three times; asked for anew it may go on', async () => {
  const { id, mac } = await machine();
  await reinstall(id);
  for (let attempt = 1; attempt <= 3; attempt++) {
    await askAs(id, 'putSelfInstall', { generation: 1, phase: 'started' });
    await askAs(id, 'putSelfInstall', { generation: 1, phase: 'failed', message: 'disk S1 holds data' });
    const next = attempt < 3 ? 'it is tried again' : 'it is not tried again: mend the cause, then machinedb reinstall';
    expect(await findingsOf(id)).toEqual([`install 1 failed: disk S1 holds data; ${next}`]);
  }
  expect((await explain(mac)).spec).toEqual({ kind: 'wait', seconds: 60 });
  // Nor does the discovery image that still runs begin a fourth time.
  expect(await askAs(id, 'getSelfInstall')).toEqual({});
  await reinstall(id, { wipe: true });
  expect(await askAs(id, 'getSelfInstall')).toMatchObject({ install: { generation: 2 } });
  expect((await explain(mac)).reason).toBe('install 2 is asked for');
  await askAs(id, 'putSelfInstall', { generation: 2, phase: 'started' });
  expect(await findingsOf(id)).toEqual([]);
});

test('a failure that is told again and again in the same words is one event', async () => {
  const { id } = await machine();
  await reinstall(id);
  const fail = (message: string) => askAs(id, 'putSelfInstall', { generation: 1, phase: 'failed', message });
  for (const message of ['the signature does not hold', 'the signature does not hold', 'disk S1 holds data'])
    await fail(message);
  expect(await events(id)).toEqual(['install.asked', 'install.failed', 'install.failed']);
  expect(await findingsOf(id)).toEqual(['install 1 failed: disk S1 holds data; it is tried again']);
});

test('an install that was taken back, or a node on hold, is told to stop', async () => {
  const { id, mac } = await machine();
  await reinstall(id);
  await ask('holdNode', { params: { node: id }, body: { hold: true, reason: 'wait' } });
  expect(await askAs(id, 'getSelfInstall')).toEqual({});
  expect(await askAs(id, 'putSelfInstall', { generation: 1, phase: 'started' })).toEqual({ proceed: false });
  expect((await explain(mac)).reason).toContain('on hold');
  await ask('holdNode', { params: { node: id }, body: { hold: false, reason: 'go' } });
  await askAs(id, 'putSelfInstall', { generation: 1, phase: 'started' });
  await ask('cancelInstall', { params: { node: id }, body: { reason: 'wrong node' } });
  expect(await askAs(id, 'putSelfInstall', { generation: 1, phase: 'writing', percent: 50 })).toEqual({
    proceed: false,
  });
  await expect(ask('cancelInstall', { params: { node: id }, body: { reason: 'again' } })).rejects.toThrow(
    'nothing to take back',
  );
});

test('nothing is installed on what is not approved, out of service, or without a disk image', async () => {
  const { id } = await machine();
  await expect(reinstall(id, { image: 'discovery-2026.11' })).rejects.toThrow(
    'is of kind discovery: only a disk image',
  );
  await expect(reinstall(id, { image: 'no-such' })).rejects.toThrow('there is no image "no-such"');
  await expect(reinstall(id, { image: undefined })).rejects.toThrow('no image is intended for this node');
  await db.updateTable('node').set({ state: 'maintenance' }).where('id', '=', id).execute();
  await expect(reinstall(id)).rejects.toThrow('is in state maintenance: bring it back first');
  await db.updateTable('node').set({ state: 'discovered', level: 'claimed' }).where('id', '=', id).execute();
  await expect(reinstall(id)).rejects.toThrow('is not approved: nothing is installed on a machine that is not trusted');
});

test('a machine with a system of its own starts that, until an install is asked for', async () => {
  const { id, mac } = await machine();
  await askAs(id, 'startSelfDisk', { starts_disk: true });
  await askAs(id, 'startSelfDisk', { starts_disk: true });
  expect(await events(id)).toEqual(['node.starts_disk']);
  expect((await explain(mac)).reason).toBe('it has an operating system of its own');
  await reinstall(id, { wipe: true });
  expect((await explain(mac)).spec.kind).toBe('linux');
});

test('the discovery image is not what the intent is about: nothing is found, and the node stays approved', async () => {
  const { id, mac } = await machine();
  await ask('assignNode', { params: { node: id }, body: { fqdn: 'd1.example.org', network: 'mgmt', reason: 'x' } });
  const row = await db
    .selectFrom('node_now')
    .select(['wanted', 'findings'])
    .where('node', '=', id)
    .executeTakeFirstOrThrow();
  // The card is meant, not the name that it has in the discovery image.
  expect(row.wanted).toMatchObject({ network: { interfaces: { eth0: { addresses: expect.anything() } } } });
  expect(row.findings).toBe(0);
  await report(id, { os: {}, nics: { x: { name: 'enp1s0', mac } } });
  const after = await db
    .selectFrom('node_now')
    .select(['wanted', 'findings'])
    .where('node', '=', id)
    .executeTakeFirstOrThrow();
  expect(Object.keys((after.wanted.network as { interfaces: object }).interfaces)).toEqual(['enp1s0']);
  expect(after.findings).toBeGreaterThan(0);
});

test('what was undone on a node is a finding until something else is told', async () => {
  const { id } = await machine();
  const tell = (outcome: string, reason?: string) =>
    askAs(id, 'putSelfApplied', { generation: 4, outcome, steps: ['/etc/hostname'], reason });
  await tell('undone', 'gateway 10.1.0.1 does not answer ARP on eth0');
  expect(await findingsOf(id)).toEqual([
    'generation 4 was undone: gateway 10.1.0.1 does not answer ARP on eth0. It is tried again when the intent changes',
  ]);
  await tell('applied');
  await tell('same');
  expect(await findingsOf(id)).toEqual([]);
  expect(await events(id)).toEqual(['apply.undone', 'apply.applied']);
});

test("a host key is certified for the node's intended names and addresses, and no others", async () => {
  const { id } = await machine();
  const key = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const blob = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), key]);
  const certify = () => askAs(id, 'signSelfSshHostKey', { public_key: `ssh-ed25519 ${blob.toString('base64')}` });
  await expect(certify()).rejects.toThrow('no host certificate is wanted of this node');
  await ask('assignNode', {
    params: { node: id },
    body: { fqdn: 'c1.example.org', network: 'mgmt', address: '10.1.0.99', reason: 'x' },
  });
  await ask('putNodeIntent', { params: { node: id, section: 'ssh' }, query: {}, body: { host_certificate: true } });
  const certificate = readHostCertificate((await certify()).certificate);
  expect(certificate).toMatchObject({
    publicKey: key,
    keyId: `node/${id}`,
    principals: ['10.1.0.99', 'c1', 'c1.example.org'],
  });
  const ca = await ask('getSshCa', {});
  expect(certificate!.ca).toBe(ca.fingerprint);
  expect(ca.known_hosts).toBe(`@cert-authority * ${ca.public_key}`);
  await expect(askAs(id, 'signSelfSshHostKey', { public_key: 'ssh-rsa AAAA' })).rejects.toThrow(
    'is not an ed25519 key',
  );
});
