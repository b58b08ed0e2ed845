import { once } from 'node:events';
import https from 'node:https';
import { afterAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { openDb, transaction } from '../machinedb/db.ts';
import { append } from '../machinedb/feed/feed.ts';
import { putNode } from '../machinedb/testing/nodes.ts';
import { startHarness } from './harness.ts';

const harness = await startHarness();
const { call, daemons, databaseUrl } = harness;
const db = openDb({ url: databaseUrl, max: 3, statementTimeoutMs: 30_000, onError: () => {} });
afterAll(async () => {
  await db.destroy();
  await harness.close();
});

const id = '00000000-0000-4000-8000-000000000001';
const HOSTILE = "\u001b[31m<script>alert(1)</script>=cmd|'/C calc'!A0 {{ 7 * 7 }}";

async function get(daemon: 0 | 1, path: string, headers: Record<string, string> = {}) {
  const { connection } = daemons[daemon];
  const request = https.get(new URL(path, connection.url), {
    ...tlsOptions(connection),
    headers: { authorization: `Bearer ${connection.token}`, ...headers },
    agent: false,
  });
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode as number, headers: response.headers, text: Buffer.concat(chunks).toString() };
}

function follow(daemon: 0 | 1, query: string, token = daemons[daemon].connection.token) {
  const { connection } = daemons[daemon];
  const url = new URL(`/v1/events${query}`, connection.url);
  url.protocol = 'wss:';
  return new WebSocket(url, { headers: { authorization: `Bearer ${token}` }, ...tlsOptions(connection) });
}

test('the inventory is the same text and ETag on both daemons, and 304 when it has not changed', async () => {
  await putNode(db, id, { observed: { system: { product: HOSTILE, serial: 'S1' } }, state: 'active' });
  const first = await get(0, '/v1/ansible/inventory');
  const second = await get(1, '/v1/ansible/inventory');
  expect(first.status).toBe(200);
  expect(first.headers['content-type']).toBe('application/json; charset=utf-8');
  expect([second.text, second.headers.etag]).toEqual([first.text, first.headers.etag]);
  expect(first.headers.etag).toMatch(/^"[\w-]+"$/);
  expect((await get(1, '/v1/ansible/inventory', { 'if-none-match': first.headers.etag! })).status).toBe(304);
  expect(Object.keys((await call('inventory', {})) as object)).toContain('state_active');
});

test('81 a vendor string with ANSI, HTML, a formula and a template is data everywhere', async () => {
  for (const daemon of [0, 1] as const) {
    const { text, headers } = await get(daemon, `/v1/nodes/${id}`);
    expect(text).not.toContain('\u001b');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(text)).toMatchObject({ model: HOSTILE, observed: { system: { product: HOSTILE } } });
  }
  const { _meta, ...groups } = (await call('inventory', {})) as { _meta: { hostvars: Record<string, object> } };
  expect(_meta.hostvars[id]).toMatchObject({ machinedb_model: { __ansible_unsafe: HOSTILE } });
  for (const group of Object.keys(groups)) expect(group).toMatch(/^\w+$/);
  expect((await call('listNodes', { query: { q: HOSTILE } })).items).toMatchObject([{ id }]);
});

test('the PCI ids that a machine reports have names, by the database of the server', async () => {
  const other = '00000000-0000-4000-8000-000000000002';
  const pci = { '0000:02:00.0': { class: '0x020000', vendor: '0x8086', device: '0x1521' }, '0000:03:00.0': {} };
  await putNode(db, other, { observed: { pci } });
  const { sections, names } = await call('getObserved', { params: { node: other }, query: {} });
  expect(sections).toEqual({ pci });
  expect(names).toEqual({
    '0x8086': 'Intel Corporation',
    '0x8086:0x1521': 'I350 Gigabit Network Connection',
    'class 0x0200': 'Ethernet controller',
  });
});

test('a text or time that PostgreSQL does not take is refused, not a failure', async () => {
  for (const path of ['/v1/nodes?q=a%00', '/v1/nodes/%00', '/v1/nodes/serial:%00']) {
    const { status, text } = await get(0, path);
    expect([status, JSON.parse(text).detail]).toEqual([
      400,
      'a text has the character U+0000, which cannot be stored: leave it out',
    ]);
  }
  for (const time of ['2026-01-01T00:00:00%2B23:00', '0000-01-01T00:00:00Z']) {
    const { status, text } = await get(1, `/v1/nodes?as_of=${time}`);
    expect([status, JSON.parse(text).detail]).toEqual([
      400,
      'a time is out of the range that can be stored: take one nearer to now',
    ]);
  }
});

test('84 a socket that resumes from the future or from another history is closed with 4410', async () => {
  const { cursor } = await call('events', { query: { cursor: 'now' } });
  const [epoch] = cursor.split('.');
  for (const wrong of [`${epoch}.999999999`, '00000000.1']) {
    expect((await once(follow(0, `?cursor=${wrong}`), 'close'))[0]).toBe(4410);
    expect((await get(1, `/v1/events?cursor=${wrong}`)).status).toBe(410);
  }
});

test('a follower on one daemon hears at once what happens on the other', async () => {
  const { cursor } = await call('events', { query: { cursor: 'now' } });
  const socket = follow(0, `?cursor=${cursor}`);
  await once(socket, 'open');
  const heard = once(socket, 'message');
  await transaction(db, (tx) => append(tx, [], [{ kind: 'told', subject: 'fleet', actor: 'test' }]));
  expect(JSON.parse(String((await heard)[0]))).toMatchObject({ kind: 'told', subject: 'fleet', actor: 'test' });
  socket.terminate();
});

test('85 a token that is revoked mid-stream ends the stream within 60 s', { timeout: 60_000 }, async () => {
  const { id: token, token: secret } = await call('createToken', { body: { name: 'reader', scopes: ['read'] } });
  const socket = follow(1, '?cursor=now', secret);
  await once(socket, 'open');
  await call('revokeToken', { params: { id: token } });
  const [code, reason] = await once(socket, 'close');
  expect([code, String(reason)]).toEqual([1008, 'the credential is no longer valid']);
  const refused = once(follow(0, '?cursor=now', secret), 'unexpected-response');
  expect((await refused)[1].statusCode).toBe(401);
});

test('diff and history of a node name what changed', async () => {
  const from = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await putNode(db, id, { observed: { system: { product: 'R760', serial: 'S1' } }, state: 'active' });
  const { changes } = await call('diffNode', { params: { node: 'serial:S1' }, query: { from } });
  expect(changes).toEqual([{ path: '/observed/system/product', from: HOSTILE, to: 'R760' }]);
  const { items, next } = await call('getHistory', { params: { node: id }, query: { section: 'system', limit: 1 } });
  expect(items).toMatchObject([{ kind: 'observed', section: 'system', data: { product: 'R760' } }]);
  const older = await call('getHistory', { params: { node: id }, query: { section: 'system', cursor: next } });
  expect(older.items).toMatchObject([{ data: { product: HOSTILE } }]);
});

test('what the database alone refuses is a problem of the request, not a failure of the server', async () => {
  await expect(
    call('putApprovalRule', { params: { rule: 'typo' }, body: { vendor: 'Acme', role: 'gpuu' } }),
  ).rejects.toMatchObject({
    status: 409,
    message: expect.stringContaining('there is no role "gpuu": machinedb role list shows them'),
  });
});
