import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import type { DaemonProcess } from './harness.ts';
import { machinedb, root } from './program.ts';
import { alive, macOf, withRelays, works } from './relay-site.ts';
import { request } from './simulated-node.ts';

const { harness, daemon, call, join1, startRelay, newNode, session, script, history } = await withRelays();

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
