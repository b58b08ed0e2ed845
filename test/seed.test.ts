import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { identityText } from '../agent/client/identity.ts';
import { type SeedServerOptions, serveSeed } from '../agent/seed/serve.ts';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';
import { request, type SimulatedNode, simulateNode } from './simulated-node.ts';

const CANARY = 'canary-7b1f0c5e';
const directory = mkdtempSync(join(tmpdir(), 'machinedb-seed-'));
const harness = await startHarness();
const [one] = harness.daemons;
const database = new pg.Client({ connectionString: harness.databaseUrl });
await database.connect();
afterAll(async () => {
  await database.end();
  await harness.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Answer {
  status: number;
  text: string;
}

/** Asks a daemon as a machine at an address of the loopback network does. */
async function ask(
  path: string,
  { from = '127.0.0.1', headers = {}, body }: { from?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const method = body === undefined ? 'GET' : 'POST';
  const options = { method, agent: false, localAddress: from, ...tlsOptions(one.connection), headers };
  const outgoing = https.request(new URL(path, one.url), options, (incoming) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
    incoming.on('end', () => resolve({ status: incoming.statusCode!, text }));
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return await promise;
}

let made = 0;

/** An approved node that is called by a name and reports an address. */
async function node(hostname: string, address: string): Promise<SimulatedNode & { node: string }> {
  const simulated = simulateNode(directory, ++made);
  const { node: id, fingerprint } = await simulated.enrol(one);
  await harness.call('approveNode', { params: { node: id }, body: { fingerprint, reason: 'test' } });
  const interfaces = { eth0: { mac: '52:54:00:00:00:01', addresses: { [`${address}/8`]: {} } } };
  await simulated.report(one, { network: { interfaces }, nics: {} });
  await intend(id, 'hostname', { hostname, domain: 'example.org' });
  return Object.assign(simulated, { node: id });
}

async function intend(id: string, section: 'hostname' | 'cloud_init', body: Record<string, unknown>): Promise<void> {
  await harness
    .call('putNodeIntent', { params: { node: id, section }, body }, { ifMatch: '*' })
    .catch(async () => await harness.call('putNodeIntent', { params: { node: id, section }, body }));
}

/** A token for a node's seed, as its agent gets it. */
async function open(simulated: SimulatedNode, boot_id = 'boot-a'): Promise<string> {
  const authorization = `Bearer ${await simulated.token(one)}`;
  const body = JSON.stringify({ boot_id });
  return (await request<{ token: string }>(one, 'POST', '/v1/self/seed', body, { authorization })).token;
}

const events = async (id: string, kind: string) =>
  (await database.query('select data from event where subject = $1 and kind = $2', [`node/${id}`, kind])).rows;

const web1 = await node('web1', '127.0.1.1');
const meta = (id: string, name: string) => `instance-id: "${id}-0"\nlocal-hostname: "${name}.example.org"\n`;

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
  const stranger = simulateNode(directory, ++made);
  await stranger.enrol(one);
  await stranger.report(one, { network: { interfaces: { eth0: { addresses: { '127.0.1.1/8': {} } } } } });
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

test('55 10 MB of user-data are refused at write, as is all above 256 kB', async () => {
  const path = `/v1/nodes/${web1.node}/intended/cloud_init`;
  const headers = { authorization: `Bearer ${one.connection.token}` };
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const long = { method: 'PUT', agent: false, headers: { ...headers, 'content-length': '10000000' } };
  const outgoing = https.request(new URL(path, one.url), { ...long, ...tlsOptions(one.connection) });
  outgoing.on('response', (incoming) => resolve(incoming.statusCode!)).on('error', reject);
  outgoing.flushHeaders();
  expect(await promise).toBe(413);
  outgoing.on('error', () => undefined).destroy();
  const body = JSON.stringify({ user_data: 'x'.repeat(300_000) });
  await expect(request(one, 'PUT', path, body, headers)).rejects.toThrow(
    'cloud_init/user_data: it is larger than 262144 bytes: let it fetch what is large (#include, or a package)',
  );
});

test('56 113 a text that needs what the node has not is not given at all; a field that is none is refused at write', async () => {
  await intend(web1.node, 'cloud_init', { user_data: 'a: {{ fqdn }}\nb: {{ site }}\n' });
  const answer = await ask(`/seed/${await open(web1)}/user-data`);
  expect(answer.status).toBe(503);
  const why = `user_data of node ${web1.node}: it needs {{ site }}, and the node has no such value: machinedb assign gives it one`;
  expect(JSON.parse(answer.text)).toMatchObject({ detail: why });
  const { items } = await harness.call('getNodeFindings', { params: { node: web1.node } });
  expect(items.map(({ section, path }) => section + path)).toContain('cloud_init/user_data');
  const preview = await machinedb(one, ['boot', 'preview', web1.node]);
  expect(preview.stdout).toContain(`==> user-data <==\n(none: ${why})`);
  await expect(intend(web1.node, 'cloud_init', { user_data: '{{ self.__init__ }}' })).rejects.toThrow(
    'cloud_init/user_data: "{{ self.__init__ }}" is no field',
  );
}, 60_000);

test('the texts are merged over the layers, as all intent', async () => {
  const body = { user_data: 'of the fleet\n', vendor_data: 'vendor of {{ hostname }}\n' };
  await harness.call('putFleetIntent', { params: { section: 'cloud_init' }, body });
  await intend(web1.node, 'cloud_init', { user_data: 'its own\n' });
  const token = await open(web1);
  expect((await ask(`/seed/${token}/user-data`)).text).toBe('its own\n');
  expect((await ask(`/seed/${token}/vendor-data`)).text).toBe('vendor of web1\n');
  await harness.call('deleteFleetIntent', { params: { section: 'cloud_init' } }, { ifMatch: '*' });
});

const ed25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2pYp0mI0v0nQ4QxJcB6zv0zq3m2T0q8u0m9b2zQ1aB';
const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

test('phone_home: an event, host keys on the node, once per instance; hostile forms are refused', async () => {
  const phone = await node('phone', '127.0.4.1');
  const token = await open(phone);
  const told = { pub_key_ed25519: `${ed25519} root@phone\n`, instance_id: `${phone.node}-0`, hostname: 'phone' };
  const post = async (fields: Record<string, string> | string) =>
    await ask(`/seed/${token}/phone-home`, { body: typeof fields === 'string' ? fields : form(fields) });
  const refused: [string | Record<string, string>, number, string][] = [
    ['', 400, 'the form has no instance_id'],
    [{ ...told, instance_id: 'iid-1' }, 409, "it tells of an instance that is not this node's"],
    [{ ...told, pub_key_ed25519: 'ssh-ed25519 AAAA' }, 400, 'pub_key_ed25519 is no public key of its kind'],
    [{ ...told, pub_key_rsa: ed25519 }, 400, 'pub_key_rsa is no public key of its kind'],
    [{ ...told, hostname: '$(reboot)' }, 400, 'hostname is no host name'],
    [{ ...told, fqdn: '<b>\u001b[31m' }, 400, 'fqdn is no host name'],
    [`${form(told)}&hostname=other`, 400, 'the form has the field "hostname" twice'],
    [form(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`f${i}`, 'x']))), 400, 'more than 16 fields'],
    [`instance_id=${'x'.repeat(100_000)}`, 400, 'the form is larger than 65536 characters'],
  ];
  for (const [body, status, message] of refused) {
    const answer = await post(body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(message.replaceAll('"', '\\"'))]);
  }
  expect(await events(phone.node, 'seed.phoned_home')).toEqual([]);

  const whole = { ...told, pub_key_rsa: 'N/A', pub_key_ecdsa: 'N/A', fqdn: 'phone.example.org' };
  expect(await post(whole)).toEqual({ status: 200, text: 'thank you\n' });
  expect((await post(whole)).status).toBe(200);
  expect((await post({ ...whole, hostname: 'other' })).status).toBe(409);
  expect(await events(phone.node, 'seed.phoned_home')).toEqual([
    {
      data: {
        instance_id: `${phone.node}-0`,
        hostname: 'phone',
        fqdn: 'phone.example.org',
        host_keys: { 'ssh-ed25519': expect.stringMatching(/^SHA256:/) },
      },
    },
  ]);
  const detail = await harness.call('getNode', { params: { node: phone.node } });
  expect(detail.host_keys).toEqual({ 'ssh-ed25519': ed25519 });
});

test('the agent gives it on by its own session: no token, no CA; without the server what it had the last time', async () => {
  const web2 = await node('web2', '127.0.5.1');
  await intend(web2.node, 'cloud_init', { user_data: '#cloud-config\n' });
  const state = mkdtempSync(join(directory, 'agent-'));
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(state, 'identity.json'), identityText(web2.identity, web2.hardware, web2.node), { mode: 0o600 });
  const said: string[] = [];
  const options: SeedServerOptions = {
    ...{ state, url: new URL(one.url), pins: one.pins, clock: Date.now, bootId: 'boot-c', port: 0 },
    log: (message) => said.push(message),
  };
  const get = async (url: string, headers: Record<string, string> = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    http
      .get(url, { agent: false, headers }, (incoming) => {
        let text = '';
        incoming.on('data', (chunk: Buffer) => {
          text += String(chunk);
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode!, text }));
      })
      .on('error', reject);
    return await promise;
  };
  const serving = await serveSeed(options);
  try {
    expect(await get(`${serving.url}meta-data`)).toEqual({ status: 200, text: meta(web2.node, 'web2') });
    expect(await get(`${serving.url}user-data`)).toEqual({ status: 200, text: '#cloud-config\n' });
    expect(await get(`${serving.url}secret/none`)).toMatchObject({ status: 404 });
    expect(await get(`${serving.url}../v1/nodes`)).toMatchObject({ status: 404 });
    expect(await get(`${serving.url}meta-data`, { host: 'rebound.example.net' })).toMatchObject({ status: 403 });
  } finally {
    await serving.close();
  }
  expect(readFileSync(join(state, 'seed.json'), 'utf8')).not.toContain('mdbs_');
  const alone = await serveSeed({ ...options, url: new URL('https://127.0.0.1:9'), bootId: 'boot-d' });
  try {
    expect(await get(`${alone.url}meta-data`)).toEqual({ status: 200, text: meta(web2.node, 'web2') });
    expect(await get(`${alone.url}vendor-data`)).toMatchObject({ status: 503 });
  } finally {
    await alone.close();
  }
});

test('the boot preview speaks the language of the loader that was asked for', async () => {
  const file = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
  const discovery = {
    ...{ name: 'discovery-2026.11', kind: 'discovery' as const, architecture: 'amd64' as const },
    ...{ built_at: '2026-11-01T00:00:00Z', agent: 'a'.repeat(64), packages: {} },
    files: { kernel: file('b'), initrd: file('c') },
  };
  await harness.call('putImage', { params: { image: discovery.name }, body: discovery });
  const mac = '52:54:00:00:00:01';
  await web1.report(one, { nics: { [mac]: { name: 'eth0', mac } } });
  const show = async (...more: string[]) => await machinedb(one, ['boot', 'preview', web1.node, ...more]);
  const first = async (...more: string[]) => (await show(...more)).stdout.split('\n').slice(4, 8);
  expect(await first('--loader', 'ipxe')).toEqual(await first());
  expect((await first())[0]).toBe('#!ipxe');
  expect(await first('--loader', 'grub')).toEqual([
    "echo 'machinedb: it is approved, and has nothing on its disk'",
    expect.stringMatching(/^if linux \(tftp,BOOT-SERVICE\)\/files\/b{64} .*'BOOTIF=01-52-54-00-00-00-01'; then$/),
    `  if initrd (tftp,BOOT-SERVICE)/files/${'c'.repeat(64)}; then boot; fi`,
    'fi',
  ]);
  expect(await show('--loader', 'lilo')).toMatchObject({ code: 2, stderr: expect.stringContaining('usage') as string });
  expect(await show('--loader', 'grub', '--platform', 'pcbios')).toMatchObject({
    stderr: expect.stringContaining('a BIOS starts no signed GRUB: ask for platform efi, or for loader ipxe') as string,
  });
}, 60_000);
