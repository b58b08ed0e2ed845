import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { readState, startHarness } from './harness.ts';
import { send } from './raw-request.ts';
import { request, simulateNode } from './simulated-node.ts';

const harness = await startHarness({ environment: { MACHINEDB_STATEMENT_TIMEOUT_MS: '1500' } });
const [one, two] = harness.daemons;
afterAll(() => harness.close());

const site = '/v1/sites/ams1';

const node = simulateNode(harness.directory, 1);
await node.enrol(one);
const token = await node.token(one);

test('88: of two writers who read the same version, one is told that it is stale', async () => {
  await harness.call('putRole', { params: { role: 'web' }, body: {} });
  const params = { role: 'web', section: 'tags' as const };
  const { etag } = await harness.call('putRoleIntent', { params, body: { a: true } });
  const writes = await Promise.allSettled(
    [one, two].map(({ client }, i) =>
      client.call('putRoleIntent', { params, body: { [`w${i}`]: true } }, { ifMatch: etag! }),
    ),
  );
  expect(writes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const lost = writes.find((write) => write.status === 'rejected')!;
  expect(lost.reason).toMatchObject({ status: 412, code: 'stale' });
  await expect(harness.call('putRoleIntent', { params, body: {} })).rejects.toMatchObject({ status: 428 });
});

test('89, 90: a key gives its first answer again on the other daemon, and refuses another request', async () => {
  const key = { idempotencyKey: '"once-1"' };
  const rack = { params: { site: 'ams1', rack: 'r1' }, body: { height: 42 } };
  await harness.call('putSite', { params: { site: 'ams1' }, body: {} });
  const first = await one.client.call('putRack', rack, key);
  await two.client.call('putRack', { ...rack, body: { height: 40 } });
  expect(await two.client.call('putRack', rack, key)).toEqual(first);
  expect((await harness.call('listRacks', { query: {} })).items).toEqual([{ site: 'ams1', name: 'r1', height: 40 }]);
  await expect(two.client.call('putRack', { ...rack, body: { height: 7 } }, key)).rejects.toMatchObject({
    status: 422,
    code: 'key_reused',
  });
});

test('90: the reply is lost after the commit; the retry gets it, and nothing is done twice', async () => {
  const body = JSON.stringify({ description: 'lost' });
  const lines = [
    `PUT /v1/sites/lost HTTP/1.1`,
    'host: x',
    `authorization: Bearer ${one.connection.token}`,
    'idempotency-key: "lost-1"',
    `content-length: ${body.length}`,
    '',
    body,
  ];
  const socket = tls.connect({ host: '127.0.0.1', port: Number(new URL(one.url).port), ...tlsOptions(one.connection) });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(lines.join('\r\n'));
  await expect
    .poll(async () => (await harness.call('listSites', { query: {} })).items.map(({ name }) => name))
    .toContain('lost');
  socket.destroy();
  const retry = { params: { site: 'lost' }, body: { description: 'lost' } };
  expect(await two.client.call('putSite', retry, { idempotencyKey: '"lost-1"' })).toEqual({
    name: 'lost',
    description: 'lost',
  });
  const puts = (await harness.call('events', { query: { limit: 1000 } })).items.filter(
    ({ subject }) => subject === 'site/lost',
  );
  expect(puts).toHaveLength(1);
});

test('91: a cursor that was tampered with gets 400', async () => {
  await expect(harness.call('listSites', { query: { cursor: 'YW1z.AAAA' } })).rejects.toMatchObject({
    status: 400,
    code: 'cursor_invalid',
  });
  await expect(harness.call('events', { query: { cursor: 'nonsense' } })).rejects.toMatchObject({
    status: 400,
    code: 'cursor_invalid',
  });
});

test('92: a query that cannot end is cut off with 503, and the next one is served', async () => {
  const blocker = new pg.Client({ connectionString: harness.databaseUrl });
  await blocker.connect();
  await blocker.query('begin; lock table site in access exclusive mode');
  const answer = await send(one, 'GET', '/v1/sites');
  expect([answer.status, answer.headers['retry-after'], answer.body.detail]).toEqual([
    503,
    '5',
    'the query took too long: ask for less',
  ]);
  await blocker.query('rollback');
  await blocker.end();
  expect((await send(one, 'GET', '/v1/sites')).status).toBe(200);
});

test('who asks decides what is allowed', async () => {
  const as = (bearer: string | undefined) =>
    send(one, 'GET', '/v1/nodes', undefined, { authorization: bearer === undefined ? 'none' : `Bearer ${bearer}` });
  expect((await as(undefined)).status).toBe(401);
  expect((await as('mdb_wrong')).status).toBe(401);
  expect(await as(token)).toMatchObject({
    status: 403,
    body: { detail: "this needs scope read, and a node's token of level claimed" },
  });
  expect(
    (await send(one, 'PUT', '/v1/self/observed', '{"boot_id":"b","seq":1,"version":"1","sections":{}}')).status,
  ).toBe(403);
  expect((await send(one, 'GET', '/v1/self/wanted', undefined, { authorization: `Bearer ${token}` })).status).toBe(403);
  const reader = await harness.call('createToken', { body: { name: 'reader', scopes: ['read'] } });
  expect((await as(reader.token)).status).toBe(200);
  expect((await send(one, 'PUT', site, '{}', { authorization: `Bearer ${reader.token}` })).status).toBe(403);
  await harness.call('revokeToken', { params: { id: reader.id } });
  expect((await as(reader.token)).status).toBe(401);
  const short = await harness.call('createToken', { body: { name: 'short', scopes: ['read'], expires_in: 60 } });
  const client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  await client.query(`update token set expires_at = now() - interval '1 second' where id = '${short.id}'`);
  await client.end();
  expect((await as(short.token)).status).toBe(401);
});

test('a report with another key’s signature, or none, is refused', async () => {
  const body = JSON.stringify({ boot_id: 'boot-1', seq: 9, version: '1', sections: { os: { kernel: 'evil' } } });
  const headers = { authorization: `Bearer ${token}` };
  await expect(request(one, 'PUT', '/v1/self/observed', body, headers)).rejects.toMatchObject({ status: 401 });
  await expect(
    request(one, 'PUT', '/v1/self/observed', body, { ...headers, 'machinedb-signature': 'AAAA' }),
  ).rejects.toMatchObject({ status: 401 });
});

test('an inventory that has not changed is answered with 304', async () => {
  const first = await send(one, 'GET', '/v1/ansible/inventory');
  const again = await send(two, 'GET', '/v1/ansible/inventory', undefined, {
    'if-none-match': String(first.headers.etag),
  });
  expect([first.status, again.status]).toEqual([200, 304]);
});

test('health, readiness and the contract are served to anyone, metrics to those who may read', async () => {
  const anyone = { authorization: '' };
  expect(await send(one, 'GET', '/healthz', undefined, anyone)).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await send(one, 'GET', '/readyz', undefined, anyone)).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await send(one, 'GET', '/openapi.json', undefined, anyone)).toMatchObject({
    status: 200,
    body: { openapi: '3.1.1' },
  });
  expect((await send(one, 'GET', '/metrics', undefined, anyone)).status).toBe(401);
  expect(await harness.call('metrics', {})).toContain('machinedb_nodes{state="discovered"} 1');
  expect(await send(one, 'GET', '/v1/nothing')).toMatchObject({
    status: 404,
    body: { detail: 'there is no GET /v1/nothing' },
  });
});

test('114: a secret value and a token appear in no log, event or error', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  await harness.call('putSecret', { params: { secret: 'bmc' }, body: { value: canary } });
  const answers = [
    await send(one, 'PUT', '/v1/secrets/bmc', JSON.stringify({ value: canary, extra: canary })),
    await send(one, 'PUT', '/v1/secrets/bmc', `{"value":"${canary}`),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 400]);
  const { token: made } = await harness.call('createToken', { body: { name: 'canary', scopes: ['read'] } });
  await send(one, 'GET', `/v1/nodes/${made}`, undefined, { authorization: `Bearer ${made}` });
  const said = [
    ...one.log,
    ...two.log,
    JSON.stringify(answers),
    JSON.stringify(await harness.call('events', { query: { limit: 1000 } })),
  ].join('\n');
  for (const secret of [canary, made, readState(one, 'operator.token'), readState(one, 'kek')])
    expect(said).not.toContain(secret);
});
