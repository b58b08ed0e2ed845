import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import pg from 'pg';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { fetchToken } from '../agent/client/enrolment.ts';
import { openSession } from '../agent/client/session.ts';
import type { ImageManifest } from '../shared/boot.ts';
import { type DaemonProcess, startHarness } from './harness.ts';
import { machinedb, root } from './program.ts';
import { type RelayProcess, startRelayProcess } from './relay-process.ts';
import { type Door, request, type SimulatedNode, simulateNode } from './simulated-node.ts';

const images = join(process.env.TMPDIR ?? '/tmp', `machinedb-relay-images-${process.pid}`);
mkdirSync(join(images, 'files'), { recursive: true });
const harness = await startHarness({ environment: { MACHINEDB_IMAGES: images } });
const daemon = () => harness.daemons[0];
const { call } = harness;
const relays: RelayProcess[] = [];
afterAll(async () => {
  for (const relay of relays) await relay.kill();
  await harness.close();
  rmSync(images, { recursive: true, force: true });
});

function put(bytes: Buffer): { sha256: string; size: number } {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(images, 'files', sha256), bytes);
  return { sha256, size: bytes.length };
}
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

/** TCP connections that a process has to a port of loopback. */
function connectionsOf(pid: number, port: number): number {
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

async function get(url: string): Promise<{ status: number; body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.get(url, { agent: false }, resolve).on('error', reject);
  const response = await promise;
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { status: response.statusCode!, body: Buffer.concat(pieces) };
}
const script = async (relay: RelayProcess, mac: string) =>
  String((await get(`${relay.bootUrl}/boot/script?mac=${mac}&platform=pcbios`)).body);
const macOf = (node: SimulatedNode) => node.hardware.macs![0]!;
const history = async (node: SimulatedNode, section?: string) => {
  const query = { limit: 1000, ...(section === undefined ? {} : { section }) };
  const { items } = await call('getHistory', { params: { node: node.node! }, query });
  return items.reverse();
};
const works = (work: Promise<unknown>) =>
  work.then(
    () => true,
    () => false,
  );
const alive = (relay: RelayProcess) => relay.process.exitCode === null && relay.process.signalCode === null;

test('a relay is made, listed and revoked; its token is shown once, and opens nothing but its own doors', async () => {
  const created = await machinedb(daemon(), ['relay', 'create', 'spare', '--site', 'lon1', '--json']);
  const { token, ...shown } = JSON.parse(created.stdout) as Record<string, string>;
  expect(shown).toEqual({
    ...{ name: 'spare', site: 'lon1', created_by: 'operator', created_at: expect.any(String) },
  });
  const bearer = { authorization: `Bearer ${token}` };
  const door = daemon();
  expect(await request(door, 'GET', '/v1/relay', undefined, bearer)).toMatchObject({ name: 'spare', site: 'lon1' });
  await expect(request(door, 'GET', '/v1/nodes', undefined, bearer)).rejects.toThrow(
    'this needs scope read, and the token of relay spare is for its own doors',
  );
  expect(await machinedb(daemon(), ['relay', 'create', 'spare', '--site', 'ams1'])).toMatchObject({
    code: 4,
    stderr: 'machinedb: there is a relay "spare": revoke it first, or take another name\n',
  });
  expect((await machinedb(daemon(), ['relay', 'revoke', 'spare'])).code).toBe(0);
  await expect(request(door, 'GET', '/v1/relay', undefined, bearer)).rejects.toMatchObject({ status: 401 });
  const { stdout } = await machinedb(daemon(), ['relay', 'list', '--json']);
  expect(JSON.parse(stdout)).toEqual({ items: [{ ...shown, revoked_at: expect.any(String) }] });
});

test('several agents are carried over one connection; the centre gone, known nodes boot and report, and are heard once and in order', async () => {
  let relay = await startRelay('rack1', 'ams1');
  const nodes = [await newNode(relay, 1), await newNode(relay, 2), await newNode(relay, 3)];
  const [node] = nodes as [SimulatedNode];
  await node.report(relay, { system: { serial: 'SIM-1', count: 0 } });
  const sessions = await Promise.all(nodes.map((each) => session(relay, each)));
  for (const each of sessions) each.send();
  for (const { got } of sessions)
    await expect
      .poll(() => got, { timeout: 10_000 })
      .toEqual([expect.objectContaining({ lease_ms: expect.any(Number) })]);
  const centrePort = Number(new URL(daemon().url).port);
  await expect.poll(() => connectionsOf(relay.process.pid!, centrePort), { timeout: 10_000 }).toBe(1);

  // What is wanted comes down at once, or, where the centre has not looked at the session before, with the next beat; it is kept as it passes.
  await call('putSiteIntent', { params: { site: 'ams1', section: 'time' }, body: { servers: { '10.0.0.1': {} } } });
  const beatAgain = () => {
    sessions[0]!.send();
    return sessions[0]!.got;
  };
  await expect
    .poll(beatAgain, { timeout: 20_000, interval: 1000 })
    .toContainEqual(expect.objectContaining({ want: expect.arrayContaining(['wanted']) }));
  const bearer = async () => ({ authorization: `Bearer ${await node.token(relay)}` });
  const wanted = await request<{ generation: number }>(relay, 'GET', '/v1/self/wanted', undefined, await bearer());
  await request(relay, 'POST', '/v1/self/starts-disk', '{"starts_disk":true}', await bearer());
  const local = await script(relay, macOf(node));
  expect(local).toContain('it has an operating system of its own');
  await expect
    .poll(() => existsSync(join(relay.directory, 'state/files', initrd.sha256)), { timeout: 20_000 })
    .toBe(true);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/known.json'), 'utf8'), { timeout: 20_000 })
    .toContain('operating system of its own');

  await harness.kill(0);
  await harness.kill(1);
  for (const { ended } of sessions) expect(await ended).toBe('0 the session ended');
  // A known node is powered on again: it boots as before, and an unknown one is looked at, from what is kept.
  expect(await script(relay, macOf(node))).toBe(local);
  expect(await script(relay, '52:54:00:ff:ff:ff')).toContain(`kernel ${relay.bootUrl}/files/${kernel.sha256}`);
  expect((await get(`${relay.bootUrl}/files/${kernel.sha256}`)).body.length).toBe(kernel.size);
  node.reboot();
  await expect(node.token({ ...relay, url: 'https://127.0.0.1:1' })).rejects.toThrow();
  await node.report(relay, { system: { serial: 'SIM-1', count: 1 } });
  await node.report(relay, { system: { serial: 'SIM-1', count: 2 } });
  await node.applied(relay, { generation: wanted.generation, outcome: 'undone', steps: [], reason: 'no way' });
  expect(await request(relay, 'GET', '/v1/self/wanted', undefined, await bearer())).toEqual(wanted);
  const alone = await session(relay, node);
  alone.send();
  // It tells that it has nothing of what is wanted of it.
  await expect.poll(() => alone.got).toEqual([expect.objectContaining({ want: ['wanted'] })]);
  // What only the centre can say waits; what is not the node's is not taken.
  await expect(simulateNode(harness.directory, 99).enrol(relay)).rejects.toMatchObject({ status: 503 });
  await expect(
    request(relay, 'PUT', '/v1/self/observed', '{"boot_id":"x","seq":9,"version":"0","sections":{}}', {
      ...{ ...(await bearer()), 'machinedb-signature': Buffer.alloc(64).toString('base64') },
    }),
  ).rejects.toMatchObject({ status: 401 });

  // Power is cut, and nothing that was acknowledged is lost with it. Somebody puts a key of his own among those to be trusted.
  const own = { url: new URL(relay.url), pins: () => daemon().pins, clock: Date.now };
  expect(await fetchToken(own, node.identity, node.node!)).toMatchObject({ trust: { pins: daemon().pins } });
  await relay.kill();
  const file = join(relay.directory, 'state/known.json');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('"wanted_keys":[', '"wanted_keys":[{"id":"x","public_key":"AA=="},'),
  );
  relay = await startRelayProcess({ ...daemon() }, relay.directory, undefined);
  relays.push(relay);
  await expect(fetchToken({ ...own, url: new URL(relay.url) }, node.identity, node.node!)).rejects.toThrow(
    'what is to be trusted is not signed by a pinned CA: a relay on the way may not be one of ours',
  );
  node.reboot();
  await node.report(relay, { system: { serial: 'SIM-1', count: 3 } });
  expect((await script(relay, macOf(node))).replaceAll(relay.bootUrl, '')).toContain('operating system of its own');

  const queue = join(relay.directory, 'state/queue.jsonl');
  const waiting = readFileSync(queue, 'utf8');
  await harness.start(0);
  await harness.start(1);
  const counts = async () => (await history(node, 'system')).map(({ data }) => (data as { count: number }).count);
  await expect.poll(counts, { timeout: 30_000 }).toEqual([0, 1, 2, 3]);
  const undone = async () => (await history(node)).filter(({ kind }) => kind === 'apply.undone').length;
  expect(await undone()).toBe(1);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/queue.jsonl'), 'utf8'), { timeout: 10_000 })
    .toBe('');
  // The pass of the relay opens nothing of the centre: with a token of the centre's the node goes on.
  await expect
    .poll(
      () =>
        request(relay, 'GET', '/v1/trust').then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    )
    .toBe(true);
  await expect(node.report(relay, { system: { serial: 'SIM-1', count: 4 } })).rejects.toMatchObject({ status: 401 });
  node.reboot();
  await node.report(relay, { system: { serial: 'SIM-1', count: 5 } });
  expect(await counts()).toEqual([0, 1, 2, 3, 5]);

  // Power was cut between the delivery and its note: all of it comes once more, and nothing happens twice.
  await relay.kill();
  writeFileSync(queue, waiting);
  relay = await startRelayProcess({ ...daemon() }, relay.directory, undefined);
  relays.push(relay);
  await expect.poll(() => readFileSync(queue, 'utf8'), { timeout: 30_000 }).toBe('');
  expect([await counts(), await undone()]).toEqual([[0, 1, 2, 3, 5], 1]);
}, 180_000);

test('a relay of another site gets nothing of ours: the same answers as for what does not exist', async () => {
  const relay = await startRelay('rack2', 'lon1');
  const ours = await newNode(daemon(), 10);
  await request(daemon(), 'POST', '/v1/self/starts-disk', '{"starts_disk":true}', {
    authorization: `Bearer ${await ours.token(daemon())}`,
  });
  const strange = await script(relay, '52:54:00:ff:ff:fe');
  expect(strange).toContain('unknown machine: it is looked at');
  // Each script has a time and pauses of its own.
  const lasting = (text: string) => text.replaceAll(/machinedb\.time=\d+|pause(:int32)? \d+/g, '');
  expect(lasting(await script(relay, macOf(ours)))).toBe(lasting(strange));
  const nobody = simulateNode(harness.directory, 11);
  nobody.node = '00000000-0000-4000-8000-000000000000';
  const refusal = async (work: Promise<unknown>) => String(await work.catch((error: Error) => error.message));
  const bearer = { authorization: `Bearer ${await ours.token(daemon())}` };
  expect(JSON.parse(await refusal(request(relay, 'GET', '/v1/self', undefined, bearer)))).toMatchObject({
    ...{ status: 404, detail: `there is no node ${ours.node} at the site of this relay` },
  });
  ours.reboot();
  expect((await refusal(ours.token(relay))).replaceAll(ours.node!, '')).toBe(
    (await refusal(nobody.token(relay))).replaceAll(nobody.node, ''),
  );
  await ours.token(daemon());
  await expect(session(relay, { ...ours, token: () => ours.token(daemon()) })).rejects.toMatchObject({ status: 404 });
  const known = readFileSync(join(relay.directory, 'state/known.json'), 'utf8');
  expect(known).not.toContain(ours.node!);
  expect(known).not.toContain(macOf(ours));
  await relay.kill('SIGTERM');
}, 60_000);

test('kill -9 in mid-download leaves no bad file, and a flipped bit is found and mended', async () => {
  const relay = await startRelay('rack3', 'ams1');
  await expect
    .poll(() => existsSync(join(relay.directory, 'state/files', initrd.sha256)), { timeout: 20_000 })
    .toBe(true);
  const big = put(Buffer.alloc(96 * 1024 * 1024, randomBytes(1024)));
  const folder = join(relay.directory, 'state/files');
  const coming = (async () => {
    for (;;) {
      if (readdirSync(folder).some((name) => name.startsWith('part-'))) return;
      await new Promise((done) => setTimeout(done, 1));
    }
  })();
  const newer: ImageManifest = { ...manifest, name: 'discovery-2026.11.1', files: { kernel, initrd: big } };
  await call('putImage', { params: { image: newer.name }, body: newer });
  await coming;
  await relay.kill();
  expect(existsSync(join(folder, big.sha256))).toBe(false);
  expect(readdirSync(folder).some((name) => name.startsWith('part-'))).toBe(true);
  const again = await startRelayProcess(daemon(), relay.directory, undefined);
  relays.push(again);
  const sha = (body: Buffer) => createHash('sha256').update(body).digest('hex');
  expect(sha((await get(`${again.bootUrl}/files/${big.sha256}`)).body)).toBe(big.sha256);
  expect(readdirSync(folder).filter((name) => name.startsWith('part-'))).toEqual([]);
  const flipped = readFileSync(join(folder, kernel.sha256));
  flipped[50_000]! ^= 4;
  writeFileSync(join(folder, kernel.sha256), flipped);
  expect(sha((await get(`${again.bootUrl}/files/${kernel.sha256}`)).body)).toBe(kernel.sha256);
  await again.kill('SIGTERM');
}, 120_000);

test('104 a relay whose queue is full acknowledges no more, and keeps booting machines', async () => {
  const relay = await startRelay('rack4', 'ams1', ['--queue-limit', '2000']);
  const node = await newNode(relay, 20);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/known.json'), 'utf8'), { timeout: 20_000 })
    .toContain(node.node!);
  await harness.kill(0);
  node.reboot();
  await expect
    .poll(
      () =>
        node.token(relay).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true);
  await node.report(relay, { system: { serial: 'SIM-20' } });
  await expect(node.report(relay, { system: { serial: 'x'.repeat(3000) } })).rejects.toThrow(
    'the queue of this relay is full (2000 bytes)',
  );
  expect(await script(relay, macOf(node))).toContain('it is approved');
  await harness.start(0);
  await expect.poll(async () => (await history(node, 'system')).length, { timeout: 30_000 }).toBe(1);
  await relay.kill('SIGTERM');
}, 90_000);

test('what waited goes before what agents say now', async () => {
  const relay = await startRelay('rack8', 'ams1');
  const node = await newNode(relay, 60);
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/known.json'), 'utf8'), { timeout: 20_000 })
    .toContain(node.node!);
  await harness.kill(0);
  node.reboot();
  await expect.poll(() => works(node.token(relay)), { timeout: 20_000 }).toBe(true);
  let count = 0;
  const next = async () => {
    const taken = await works(node.report(relay, { system: { serial: 'SIM-60', count } }));
    if (taken) count += 1;
    return taken;
  };
  while (count < 100) await next();
  await harness.start(0);
  // It goes on all the while, until the relay takes no more; then it begins anew, as often as it must.
  while (await next()) await new Promise((done) => setTimeout(done, 100));
  const again = async () => {
    node.reboot();
    return await next();
  };
  await expect.poll(again, { timeout: 40_000, interval: 1000 }).toBe(true);
  const counts = (await history(node, 'system')).map(({ data }) => (data as { count: number }).count);
  expect(counts).toEqual(Array.from({ length: count }, (_, i) => i));
  await relay.kill('SIGTERM');
}, 90_000);

test('nodes that speak, go or come while their sessions end do not end the relay', async () => {
  const relay = await startRelay('rack5', 'ams1');
  const nodes = await Promise.all(Array.from({ length: 10 }, (_, i) => newNode(relay, 30 + i)));
  const sessions = await Promise.all(nodes.map((node) => session(relay, node)));
  const token = await nodes[0]!.token(relay);
  const speaking = setInterval(() => {
    for (const { send } of sessions) send();
  }, 1);
  // Machines that lose power in the middle of asking for a session.
  const asking = setInterval(() => {
    const { hostname: host, port } = new URL(relay.url);
    const raw = net.connect({ host, port: Number(port) }).on('error', () => undefined);
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false }, () => {
      socket.write(
        `GET /v1/self/session HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\nauthorization: Bearer ${token}\r\n\r\n`,
        () => setTimeout(() => raw.resetAndDestroy(), 5 * Math.random()),
      );
    });
    socket.on('error', () => undefined);
  }, 10);
  await new Promise((done) => setTimeout(done, 1000));
  await harness.kill(0);
  await new Promise((done) => setTimeout(done, 1000));
  clearInterval(speaking);
  clearInterval(asking);
  await harness.start(0);
  expect(alive(relay)).toBe(true);
  for (const { ended } of sessions) expect(await ended).toMatch(/^\d+ the (session|server)/);
  await expect
    .poll(
      () =>
        request(relay, 'POST', '/v1/nonce').then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true);
  await relay.kill('SIGTERM');
}, 90_000);

test('85 a relay that is revoked is closed, its sessions with it, and answers nothing in the place of the centre', async () => {
  const relay = await startRelay('rack6', 'ams1');
  const node = await newNode(relay, 50);
  const open = await session(relay, node);
  const before = performance.now();
  expect((await machinedb(daemon(), ['relay', 'revoke', 'rack6'])).code).toBe(0);
  expect(await open.ended).toBe('0 the session ended');
  expect(performance.now() - before).toBeLessThan(60_000);
  await expect
    .poll(() => request(relay, 'POST', '/v1/nonce').catch((error: Error) => error.message), { timeout: 20_000 })
    .toContain('the centre refuses this relay: was it revoked?');
  expect(alive(relay)).toBe(true);
  await relay.kill('SIGTERM');
}, 90_000);

test('the agent itself goes on through a relay while the centre is away, knowing only its address and the pins', async () => {
  const relay = await startRelay('rack7', 'ams1');
  const [state, joinFile] = [join(harness.directory, 'agent'), join(harness.directory, 'join')];
  writeFileSync(joinFile, join1, { mode: 0o600 });
  const args = ['run', '--server', relay.url, '--pin', daemon().pins.join(','), '--state', state];
  const agent = spawn(
    process.execPath,
    [join(root, 'agent/main.ts'), ...args, '--join-token-file', joinFile, '--first-beat-ms', '0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  onTestFinished(() => void agent.kill('SIGKILL'));
  let said = '';
  agent.stderr.on('data', (chunk: Buffer) => {
    said += String(chunk);
  });
  await expect.poll(() => said, { timeout: 20_000 }).toMatch(/this machine is node \S+/);
  const id = /this machine is node ([0-9a-f-]{36})/.exec(said)![1]!;
  const show = async () => await call('getNode', { params: { node: id } });
  await expect.poll(async () => (await show()).health, { timeout: 20_000 }).not.toBe('unreachable');
  await expect
    .poll(() => readFileSync(join(relay.directory, 'state/known.json'), 'utf8'), { timeout: 20_000 })
    .toContain(id);
  await harness.kill(0);
  const queued = () => readFileSync(join(relay.directory, 'state/queue.jsonl'), 'utf8');
  await expect.poll(queued, { timeout: 30_000 }).toContain(id);
  const asked = JSON.parse(queued().split('\n')[0]!) as { path: string; body: string };
  expect(asked.path).toBe('/v1/self/observed');
  await harness.start(0);
  await expect.poll(queued, { timeout: 30_000 }).toBe('');
  const { boot_id, seq } = JSON.parse(asked.body) as { boot_id: string; seq: number };
  const db = new pg.Client({ connectionString: harness.databaseUrl });
  await db.connect();
  onTestFinished(() => db.end());
  const beats = async () =>
    (await db.query('select boot_id, seq::float8 as seq from heartbeat where node = $1', [id])).rows[0] as {
      boot_id: string;
      seq: number;
    };
  // It beats with the centre again, and the report that waited was taken.
  await expect.poll(async () => (await beats()).seq, { timeout: 30_000 }).toBeGreaterThanOrEqual(seq);
  expect((await beats()).boot_id).toBe(boot_id);
  const { rows } = await db.query('select last_seq::float8 as last from node_boot where node = $1', [id]);
  expect((rows[0] as { last: number }).last).toBeGreaterThanOrEqual(seq);
  await relay.kill('SIGTERM');
}, 120_000);

test('without what it needs a relay says so', async () => {
  const run = async (more: string[], given: DaemonProcess = daemon()) => await machinedb(given, ['pxe', ...more]);
  expect(
    await run(['--upstream', 'ftp://x', '--state', 'x', '--token-file', 'x', '--address', '127.0.0.1']),
  ).toMatchObject({
    ...{ code: 2, stderr: 'machinedb: --upstream is "ftp://x": expected https://HOST:PORT\n' },
  });
  expect(await run(['--nosuch'])).toMatchObject({ code: 2, stderr: expect.stringContaining('usage: machinedb pxe') });
  const operator = join(daemon().stateDirectory, 'operator.token');
  const place = ['--upstream', daemon().url, '--state', join(harness.directory, 'none'), '--address', '127.0.0.1'];
  expect(
    await run([...place, '--ca-file', join(daemon().stateDirectory, 'ca.pem'), '--token-file', operator]),
  ).toMatchObject({
    code: 2,
    stderr: `machinedb: ${operator} holds no relay's token: machinedb relay create shows one\n`,
  });
});
