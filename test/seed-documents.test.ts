import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { identityText } from '../agent/client/identity.ts';
import { type SeedServerOptions, serveSeed } from '../agent/seed/serve.ts';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { machinedb } from './program.ts';
import { type Answer, meta, startSeedDaemon } from './seed-daemon.ts';
import { request } from './simulated-node.ts';

const { directory, harness, one, ask, node, intend, open, events, close } = await startSeedDaemon();
afterAll(close);
const web1 = await node('web1', '127.0.1.1');

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
  await machinedb(one, ['secret', 'put', 'licence', '--file', '-'], 'its value');
  await intend(phone.node, 'cloud_init', { secrets: { key: { secret: 'licence' } } });
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
  // 53 The first boot is over with it, though the secret was never fetched.
  expect(await ask(`/seed/${token}/secret/key`)).toMatchObject({ status: 404 });
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
