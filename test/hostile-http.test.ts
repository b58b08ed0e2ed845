import { randomBytes } from 'node:crypto';
import https from 'node:https';
import { afterAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { type DaemonProcess, startHarness } from './harness.ts';
import { send } from './raw-request.ts';
import { simulateNode } from './simulated-node.ts';

const harness = await startHarness();
const [one] = harness.daemons;
afterAll(() => harness.close());

const site = '/v1/sites/ams1';

test.each([
  ['nesting of 10,000', `{"description":${'['.repeat(10_000)}`, 400, 'the body is nested deeper than 64'],
  [
    'a key twice',
    '{"description":"a","description":"b"}',
    400,
    'the body has the key "description" twice in one object',
  ],
  ['__proto__', '{"__proto__":{"x":1}}', 400, 'the body has the key "__proto__"'],
  ['a number without end', '{"description":1e999}', 400, 'a number is too large'],
  ['no JSON', 'hello', 400, 'the body is not JSON: Unexpected token \'h\', "hello" is not valid JSON'],
])('72: %s is refused by name, and the next one is served', async (_name, body, status, detail) => {
  expect(await send(one, 'PUT', site, body)).toMatchObject({ status, body: { detail } });
  expect(await send(one, 'PUT', site, '{}')).toMatchObject({ status: 200 });
});

test('72: a body that says it has 9 MB is refused before it is sent', async () => {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { authorization: `Bearer ${one.connection.token}`, 'content-length': '9000000' };
  const outgoing = https.request(new URL(site, one.url), {
    method: 'PUT',
    agent: false,
    headers,
    ...tlsOptions(one.connection),
  });
  outgoing.on('response', (incoming) => resolve(incoming.statusCode!)).on('error', reject);
  outgoing.flushHeaders();
  expect(await promise).toBe(413);
  outgoing.on('error', () => undefined).destroy();
});

test('73: a compressed body is refused before it is opened', async () => {
  const answer = await send(one, 'PUT', site, randomBytes(100), { 'content-encoding': 'gzip' });
  expect(answer).toMatchObject({
    status: 415,
    body: { detail: 'a body with Content-Encoding gzip is not accepted: send it plain' },
  });
});

test('a header of 64 kB gets 431', async () => {
  expect((await send(one, 'GET', '/v1/sites', undefined, { 'x-long': 'x'.repeat(64_000) })).status).toBe(431);
});

/** Opens a WebSocket and waits for its end: the close code, or the HTTP status. */
async function closing(
  daemon: DaemonProcess,
  path: string,
  token: string,
  headers: Record<string, string>,
  act: (socket: WebSocket) => void,
): Promise<number> {
  const url = new URL(path, daemon.url);
  url.protocol = 'wss:';
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...tlsOptions(daemon.connection),
  });
  return await new Promise((resolve) => {
    socket.on('open', () => act(socket));
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode!));
    socket.on('error', () => undefined);
    socket.on('close', resolve);
  });
}

const node = simulateNode(harness.directory, 1);
await node.enrol(one);
const token = await node.token(one);

test('82: a frame of 16 MB, a flood of pings and a flood of messages end the session; others go on', async () => {
  const beat = JSON.stringify({ boot_id: 'b', seq: 1, facts: 'ab', generation: 0, version: '1' });
  const flood = (once: (socket: WebSocket) => void) => (socket: WebSocket) => {
    for (let i = 0; i < 300; i++) once(socket);
  };
  // With unread bytes behind it, a connection ends by a reset that may overtake the close frame: the client sees 1006.
  const lost = 1006;
  for (const [code, act] of [
    [1009, (socket: WebSocket) => socket.send('x'.repeat(16 * 1024 * 1024))],
    [1008, flood((socket) => socket.ping())],
    [1008, flood((socket) => socket.send(beat))],
    [1008, (socket: WebSocket) => socket.send('{"boot_id":')],
  ] as const) {
    expect([code, lost]).toContain(await closing(one, '/v1/self/session', token, {}, act));
  }
  expect((await harness.call('listNodes', { query: {} })).items).toHaveLength(1);
});

test.each(['https://evil.example', 'null'])('86: a page of %s may not open a connection', async (origin) => {
  const operator = one.connection.token!;
  expect(await closing(one, '/v1/events', operator, { origin }, (socket) => socket.close())).toBe(403);
});
