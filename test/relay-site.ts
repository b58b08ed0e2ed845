import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSession } from '../agent/client/session.ts';
import type { ImageManifest } from '../shared/boot.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';
import { type RelayProcess, startRelayProcess } from './relay-process.ts';
import { type Door, type SimulatedNode, simulateNode } from './simulated-node.ts';

export async function get(url: string): Promise<{ status: number; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.get(url, { agent: false }, resolve).on('error', reject);
  const response = await promise;
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { status: response.statusCode!, body: Buffer.concat(pieces) };
}

/** TCP connections that a process has to a port of loopback. */
export function connectionsOf(pid: number, port: number): number {
  const own = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      own.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // It was closed while we looked.
    }
  }
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === '01' && row[2]!.endsWith(remote) && own.has(`socket:[${row[9]}]`)).length;
}

export const macOf = (node: SimulatedNode) => node.hardware.macs![0]!;
export const works = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );
export const alive = (relay: RelayProcess) => relay.process.exitCode === null && relay.process.signalCode === null;

/** A centre with a folder of images, into which `put` puts a file; what is in `relays` is ended with it, and with the file of tests. */
export async function withCentre() {
  const images = join(process.env.TMPDIR ?? '/tmp', `machinedb-relay-images-${process.pid}`);
  mkdirSync(join(images, 'files'), { recursive: true });
  const harness = await startHarness({ environment: { MACHINEDB_IMAGES: images } });
  const relays: RelayProcess[] = [];
  afterAll(async () => {
    for (const relay of relays) await relay.kill();
    await harness.close();
    rmSync(images, { recursive: true, force: true });
  });

  const put = (bytes: Buffer) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(images, 'files', sha256), bytes);
    return { sha256, size: bytes.length };
  };
  return { harness, relays, put };
}

/** A centre with the site ams1 (and lon1), an image, and relays that are ended with the file of tests. */
export async function withRelays() {
  const { harness, relays, put } = await withCentre();
  const daemon = () => harness.daemons[0];
  const { call } = harness;
  const kernel = put(randomBytes(100_000));
  const initrd = put(randomBytes(200_000));
  const manifest: ImageManifest = {
    ...{ name: 'discovery-2026.11', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-01T00:00:00Z' },
    ...{ files: { kernel, initrd }, agent: 'a'.repeat(64), packages: {} },
  };
  await call('putImage', { params: { image: manifest.name }, body: manifest });
  for (const site of ['ams1', 'lon1']) await call('putSite', { params: { site }, body: {} });
  const { token: join1 } = await call('createJoinToken', { body: { uses: 100, expires_in: 3600, site: 'ams1' } });

  async function startRelay(name: string, site: string, more: string[] = []): Promise<RelayProcess> {
    const created = await machinedb(daemon(), ['relay', 'create', name, '--site', site, '--json']);
    const { token } = JSON.parse(created.stdout) as { token: string };
    const relay = await startRelayProcess(daemon(), join(harness.directory, name), token, more);
    relays.push(relay);
    return relay;
  }

  /** A node of the site that enrolled through a relay. */
  async function newNode(door: Door, index: number, joinToken = join1): Promise<SimulatedNode> {
    const node = simulateNode(harness.directory, index);
    await node.enrol(door, joinToken);
    return node;
  }

  async function session(door: Door, node: SimulatedNode) {
    const server = { url: new URL(door.url), pins: () => daemon().pins, clock: Date.now };
    const got: object[] = [];
    const ended = Promise.withResolvers<string>();
    const opened = await openSession(server, await node.token(door), {
      message: (message) => got.push(message),
      end: (error) => ended.resolve(`${error.status} ${error.message}`),
    });
    const beat = () => opened.beat({ boot_id: 'b', seq: 0, facts: '', generation: 0, version: 'v' });
    return { ...opened, send: beat, got, ended: ended.promise };
  }

  const script = async (relay: RelayProcess, mac: string) =>
    String((await get(`${relay.bootUrl}/boot/script?mac=${mac}&platform=pcbios`)).body);
  const history = async (node: SimulatedNode, section?: string) => {
    const query = { limit: 1000, ...(section === undefined ? {} : { section }) };
    const { items } = await call('getHistory', { params: { node: node.node! }, query });
    return items.reverse();
  };
  return {
    ...{ harness, daemon, call, put, kernel, initrd, manifest, join1 },
    ...{ startRelay, newNode, session, script, history, relays },
  };
}
