import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeClaim, signText } from '../agent/client/identity.ts';
import type { Order } from '../agent/install/install.ts';
import type { ImageManifest } from '../shared/boot.ts';
import { formatOrder, saidText } from '../shared/said-text.ts';
import { machinedb } from './program.ts';
import { type RelayProcess, startRelayProcess } from './relay-process.ts';
import { withCentre } from './relay-site.ts';
import { request, type SimulatedNode, simulateNode } from './simulated-node.ts';

const { harness, relays, put } = await withCentre();
const { call } = harness;
const file = () => put(randomBytes(50_000));

const common = {
  architecture: 'amd64',
  built_at: '2026-11-01T00:00:00Z',
  agent: 'a'.repeat(64),
  packages: {},
} as const;
const disk = { ...file(), encoding: 'zstd', raw_sha256: 'b'.repeat(64), raw_size: 512 } as const;
const manifests: ImageManifest[] = [
  {
    ...common,
    name: 'discovery-2026.11',
    kind: 'discovery',
    files: { kernel: file(), initrd: file(), loader: file() },
  },
  { ...common, name: 'base-os-2026.11', kind: 'disk', files: { disk } },
];
for (const body of manifests) await call('putImage', { params: { image: body.name }, body });
await call('putSite', { params: { site: 'ams1' }, body: {} });
const { token: joinToken } = await call('createJoinToken', { body: { uses: 100, expires_in: 3600, site: 'ams1' } });
const created = await machinedb(harness.daemons[0], ['relay', 'create', 'rack1', '--site', 'ams1', '--json']);
const { token: credential } = JSON.parse(created.stdout) as { token: string };
const directory = join(harness.directory, 'rack1');
const start = async (token?: string) => {
  const relay = await startRelayProcess(harness.daemons[0], directory, token);
  relays.push(relay);
  return relay;
};

/** Tells how far its install is, as the agent does. */
async function tell(relay: RelayProcess, by: SimulatedNode, n: number, told: object): Promise<{ proceed: boolean }> {
  const [path, body, order] = ['/v1/self/install', JSON.stringify(told), { boot_id: 'boot-x', n }];
  return await request(relay, 'PUT', path, body, {
    authorization: `Bearer ${await by.token(relay)}`,
    'machinedb-said': formatOrder(order),
    'machinedb-signature': signText(by.identity, saidText('PUT', path, order, body)),
  });
}

/** Claims to be the machine by another key, which the one before vouches for. */
async function claimBy(relay: RelayProcess, next: SimulatedNode, node: string, before: SimulatedNode): Promise<void> {
  const { nonce } = await request<{ nonce: string }>(relay, 'POST', '/v1/nonce');
  const previous = { node, identity: before.identity };
  const claim = makeClaim(next.identity, { nonce, hardware: next.hardware, bootId: 'boot-x', previous });
  await request(relay, 'POST', '/v1/enrol', JSON.stringify(claim));
  next.node = node;
}

test('an install that was asked for begins and ends while the centre is away; the centre hears it in its order, and judges it', async () => {
  let relay = await start(credential);
  const [first, ram, own] = [1, 1, 1].map((index) => simulateNode(harness.directory, index)) as [
    ...[SimulatedNode, SimulatedNode, SimulatedNode],
  ];
  const { node } = await first.enrol(relay, joinToken);
  await call('reinstallNode', { params: { node }, body: { image: 'base-os-2026.11', wipe: true, reason: 'new' } });
  const known = () => readFileSync(join(directory, 'state/known.json'), 'utf8');
  await expect.poll(known, { timeout: 20_000 }).toContain('"install":{"generation":1');
  await expect.poll(() => existsSync(join(directory, 'state/files', disk.sha256)), { timeout: 20_000 }).toBe(true);
  for (const index of [0, 1] as const) await harness.kill(index);

  // It is powered on: the image in memory has a key that nobody knows.
  const answer = async () => {
    const query = `mac=${first.hardware.macs![0]}&platform=efi`;
    return await (await fetch(`${relay.bootUrl}/boot/script?${query}`)).text();
  };
  expect(await answer()).toContain('install 1 is asked for');
  await expect
    .poll(() => ram.enrol(relay).catch(String), { timeout: 20_000 })
    .toMatchObject({
      ...{ node, status: 'approved' },
    });
  const bearer = { authorization: `Bearer ${await ram.token(relay)}` };
  const { install } = await request<{ install: Order }>(relay, 'GET', '/v1/self/install', undefined, bearer);
  expect(install).toMatchObject({ generation: 1, wipe: true, disk: {}, image: { manifest: manifests[1]! } });
  expect(await tell(relay, ram, 1, { generation: 1, phase: 'started', disk: 'S1' })).toEqual({ proceed: true });
  expect(await tell(relay, ram, 2, { generation: 1, phase: 'handing_over' })).toEqual({ proceed: true });
  await claimBy(relay, own, node, ram);
  expect(await tell(relay, own, 3, { generation: 1, phase: 'installed' })).toEqual({ proceed: true });
  expect(await answer()).toContain('install 1 is done');
  // Power is cut in the rack: it is still known what is done, and the disk is not written again.
  await relay.kill();
  relay = await start();
  expect(await answer()).toContain('install 1 is done');
  own.reboot();
  await own.report(relay, { system: { serial: 'SIM-1', count: 1 } });
  await expect(simulateNode(harness.directory, 1).enrol(relay)).rejects.toMatchObject({ status: 503 });

  for (const index of [0, 1] as const) await harness.start(index);
  const history = async () => (await call('getHistory', { params: { node }, query: { limit: 1000 } })).items.reverse();
  const told = async () =>
    (await history())
      .filter(({ kind }) => /^(install|node\.(state|rekeyed))|alarm/.test(kind))
      .map(({ kind, data }) => [kind, (data as { to?: string }).to].filter(Boolean).join(' '));
  const all = [
    ...['node.state approved', 'install.asked', 'node.rekeyed', 'install.started', 'node.state installing'],
    ...['install.handing_over', 'node.rekeyed', 'install.installed', 'node.state configuring'],
  ];
  await expect.poll(told, { timeout: 30_000 }).toEqual(all);
  const queue = () => readFileSync(join(directory, 'state/queue.jsonl'), 'utf8');
  await expect.poll(queue, { timeout: 20_000 }).toBe('');
  expect(await call('getNode', { params: { node } })).toMatchObject({ state: 'configuring', level: 'approved' });
  const { sections } = await call('getObserved', { params: { node }, query: {} });
  expect(sections.system).toEqual({ serial: 'SIM-1', count: 1 });
  expect(await answer()).toContain('install 1 is done');

  // Who holds the relay's credential brings claims of his own: without an open window none is taken.
  const thief = simulateNode(harness.directory, 1);
  const claim = makeClaim(thief.identity, { nonce: 'x', hardware: thief.hardware, bootId: 'b' });
  const bring = (body: object) =>
    request(harness.daemons[0], 'PUT', '/v1/relay/said', JSON.stringify(body), {
      ...{ authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    });
  const said = { node, method: 'POST', path: '/v1/enrol', signature: claim.signature };
  await expect(bring({ ...said, body: JSON.stringify(claim) })).rejects.toThrow(
    'no install is asked for of this node any more',
  );
  expect(await told()).toEqual(all);
}, 120_000);
