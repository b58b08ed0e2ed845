import { afterAll, expect, test } from 'vitest';
import { machinedb } from './program.ts';
import { meta, startSeedDaemon } from './seed-daemon.ts';

const CANARY = 'canary-7b1f0c5e';
const { harness, one, database, ask, stranger, node, intend, open, events, close } = await startSeedDaemon();
afterAll(close);
const web1 = await node('web1', '127.0.1.1');

test('the public class is what a node is called, by its address; all four documents are always there', async () => {
  await intend(web1.node, 'cloud_init', { user_data: '#cloud-config\n', vendor_data: '#cloud-config\n' });
  expect(await ask('/seed/none/meta-data', { from: '127.0.1.1' })).toEqual({
    status: 200,
    text: meta(web1.node, 'web1'),
  });
  for (const name of ['user-data', 'vendor-data', 'network-config'])
    expect(await ask(`/seed/none/${name}`, { from: '127.0.1.1' })).toEqual({ status: 200, text: '' });
  for (const name of ['meta-data', 'user-data', 'vendor-data', 'network-config'])
    expect(await ask(`/seed/none/${name}`, { from: '127.0.1.99' })).toEqual({ status: 200, text: '' });
});

test("47 a forged X-Forwarded-For changes nothing: the connection's other end asks", async () => {
  const headers = { 'x-forwarded-for': '127.0.1.1', forwarded: 'for=127.0.1.1', 'x-real-ip': '127.0.1.1' };
  expect(await ask('/seed/none/meta-data', { from: '127.0.1.99', headers })).toEqual({ status: 200, text: '' });
});

test('48 an address taken from a node gives its name away, and nothing else of it', async () => {
  await intend(web1.node, 'cloud_init', { user_data: `#cloud-config\n# ${CANARY}\n` });
  for (const path of ['none/user-data', 'none/vendor-data', 'none/network-config'])
    expect((await ask(`/seed/${path}`, { from: '127.0.1.1' })).text).toBe('');
  expect((await ask('/seed/none/secret/x', { from: '127.0.1.1' })).status).toBe(401);
});

test('49 two nodes with one address: 409 and an alarm for each, told once', async () => {
  const [a, b] = [await node('twin-a', '127.0.2.1'), await node('twin-b', '127.0.2.1')];
  for (let i = 0; i < 3; i++) {
    const { status, text } = await ask('/seed/none/meta-data', { from: '127.0.2.1' });
    expect(status).toBe(409);
    expect(text).not.toContain('twin');
  }
  const data = { address: '127.0.2.1', nodes: [a.node, b.node].sort() };
  expect(await events(a.node, 'seed.address_conflict')).toEqual([{ data }]);
  expect(await events(b.node, 'seed.address_conflict')).toEqual([{ data }]);
  expect(await ask(`/seed/${await open(a)}/meta-data`)).toEqual({ status: 200, text: meta(a.node, 'twin-a') });
});

test("49 a machine that nobody approved takes no node's address by its report", async () => {
  const unknown = stranger();
  await unknown.enrol(one);
  await unknown.report(one, { network: { interfaces: { eth0: { addresses: { '127.0.1.1/8': {} } } } } });
  expect(await ask('/seed/none/meta-data', { from: '127.0.1.1' })).toEqual({
    status: 200,
    text: meta(web1.node, 'web1'),
  });
});

test('50 a name that was pointed here by DNS is refused', async () => {
  for (const host of ['rebound.example.net', `rebound.example.net:${new URL(one.url).port}`, '127.0.0.1.example.net']) {
    expect(await ask('/seed/none/meta-data', { from: '127.0.1.1', headers: { host } })).toMatchObject({ status: 403 });
  }
});

test.each([
  ['51 no token', ''],
  ['51 a word', 'x'],
  ["51 an operator's token", one.connection.token ?? ''],
  ['51 a forged one', `mdbs_${Buffer.from(JSON.stringify([web1.node, 0, 'x', 9e15])).toString('base64url')}.AAAA`],
])('%s: 401', async (_, token) => {
  for (const path of ['meta-data', 'user-data', 'secret/x'])
    expect((await ask(`/seed/${encodeURIComponent(token)}/${path}`)).status).toBe(401);
});

test("52 a token of another boot: 401, and so is the node's own token", async () => {
  await intend(web1.node, 'cloud_init', { user_data: 'name: {{ fqdn }}\n' });
  const before = await open(web1, 'boot-a');
  expect(await ask(`/seed/${before}/user-data`)).toEqual({ status: 200, text: 'name: web1.example.org\n' });
  const after = await open(web1, 'boot-b');
  for (const token of [before, await web1.token(one)]) expect((await ask(`/seed/${token}/user-data`)).status).toBe(401);
  expect(await ask(`/seed/${after}/user-data`)).toEqual({ status: 200, text: 'name: web1.example.org\n' });
});

test('53 114 a secret is given once, at the first boot, and stands in no log, event, preview or answer', async () => {
  const { node: id, ...simulated } = await node('db1', '127.0.3.1');
  const value = `${CANARY}-secret`;
  const put = await machinedb(one, ['secret', 'put', 'licence', '--file', '-'], value);
  expect(put.code).toBe(0);
  await intend(id, 'cloud_init', { user_data: '#cloud-config\n', secrets: { key: { secret: 'licence' } } });
  const token = await open({ ...simulated, node: id });
  const get = async () => await ask(`/seed/${token}/secret/key`);
  const preview = await machinedb(one, ['boot', 'preview', id]);
  expect(preview.stdout).toContain('==> secret/key, once <==\n***');
  expect(await get()).toEqual({ status: 200, text: value });
  expect(await get()).toMatchObject({ status: 404 });
  // Put anew, it is another one; but then the first boot is over.
  await machinedb(one, ['secret', 'put', 'licence', '--file', '-'], value);
  await database.query(`update seed set opened_at = opened_at - interval '61 minutes' where node = $1`, [id]);
  expect(await get()).toMatchObject({ status: 404 });
  expect((await ask(`/seed/${token}/user-data`)).status).toBe(200);
  expect(await events(id, 'seed.secret')).toEqual([{ data: { name: 'key', secret: 'licence', generation: 1 } }]);

  const tables = await database.query(`select query_to_xml('select * from event', true, false, '')::text as events,
    query_to_xml('select * from revision', true, false, '')::text as revisions,
    query_to_xml('select * from node_now', true, false, '')::text as now,
    query_to_xml('select * from seed', true, false, '')::text as seeds,
    query_to_xml('select * from idempotency', true, false, '')::text as replies`);
  const logs = harness.daemons.flatMap(({ log }) => log).join('\n');
  for (const text of [...Object.values(tables.rows[0] as object).map(String), logs, preview.stdout])
    expect(text).not.toContain(value);
  expect(logs).not.toContain(token);
}, 90_000);

test('a secret that nobody put cannot be intended', async () => {
  await expect(intend(web1.node, 'cloud_init', { secrets: { key: { secret: 'nothing' } } })).rejects.toThrow(
    'there is no secret "nothing": machinedb secret put nothing --file FILE makes it',
  );
});
