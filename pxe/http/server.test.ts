import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import { filesOf } from '../testing.ts';
import { pausesOf } from './pauses.ts';
import { type BootHttpOptions, startBootHttp } from './server.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-boot-http-'));
const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const sha256 = createHash('sha256').update(content).digest('hex');
const damaged = 'd'.repeat(64);
const absent = 'e'.repeat(64);
writeFileSync(join(directory, sha256), content);
writeFileSync(join(directory, damaged), 'something else');
mkdirSync(join(directory, 'loaders'));
writeFileSync(join(directory, 'loaders/snponly.efi'), 'a loader');

/** Digests that signed manifests name; undefined: nobody can say now. */
let catalogue: Set<string> | undefined;
let asked: BootRequest[] = [];
let answer: () => Promise<BootAnswer>;
const local: BootAnswer = { spec: { kind: 'local' }, reason: 'it is active' };
const log = { info: () => {}, warn: () => {} };
const options: BootHttpOptions = {
  address: '127.0.0.1',
  port: 0,
  files: filesOf(directory, {
    isKnown: async (asked) => {
      if (catalogue === undefined) throw new Error('database away');
      return catalogue.has(asked);
    },
  }),
  loaders: join(directory, 'loaders'),
  rackOf: (address) => address,
  random: () => 0.5,
  decide: async (request) => {
    asked.push(request);
    return await answer();
  },
  arguments: (url) => [`machinedb.files=${url}/files`],
  log,
};
const service = await startBootHttp(options);
afterAll(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  asked = [];
  catalogue = new Set([sha256, damaged, absent]);
  answer = async () => local;
});

interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

function get(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const { hostname, port } = new URL(service.url);
  const request = http.request({ hostname, port, path, method, headers, agent: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () =>
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
    );
  });
  request.on('error', reject);
  request.end();
  return promise;
}

/** What the server answers to these bytes; '' when it only ends the connection. */
async function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(text);
  let got = '';
  socket.on('data', (chunk) => {
    got += String(chunk);
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return got;
}

const script = async (query: string) => String((await get(`/boot/script?${query}`)).body);

test('a file is served by its digest, whole, in part, and by HEAD', async () => {
  const whole = await get(`/files/${sha256}`);
  expect(whole.status).toBe(200);
  expect(whole.body.equals(content)).toBe(true);
  expect(whole.headers).toMatchObject({ etag: `"${sha256}"`, 'content-length': '5000', 'accept-ranges': 'bytes' });
  const part = await get(`/files/${sha256}`, { range: 'bytes=4990-' });
  expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 4990-4999/5000' } });
  expect(part.body.equals(content.subarray(4990))).toBe(true);
  const last = await get(`/files/${sha256}`, { range: 'bytes=-5' });
  expect(last.body.equals(content.subarray(4995))).toBe(true);
  const head = await get(`/files/${sha256}`, {}, 'HEAD');
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': '5000' } });
  expect(head.body).toHaveLength(0);
});

test('a file that is not what its name says is not served, nor one that is not there; the answer says the way out', async () => {
  const refusal = async (digest: string) => {
    const { status, body } = await get(`/files/${digest}`);
    return [status, String(body)];
  };
  const verify = 'machinedb image verify NAME tells whether all is well again';
  expect(await refusal(damaged)).toEqual([
    404,
    `the file ${damaged} is damaged: put a good copy in its place; ${verify}`,
  ]);
  expect(await refusal(absent)).toEqual([
    404,
    `no file ${absent} is here: build its image anew, or copy the file from where it was built; ${verify}`,
  ]);
});

test('a damaged file is served once a good copy is in its place, also one of the same size and time', async () => {
  const rotten = Buffer.from('the file of an image');
  const digest = createHash('sha256').update(rotten).digest('hex');
  const path = join(directory, digest);
  catalogue = new Set([digest]);
  const put = (data: Buffer) => {
    writeFileSync(path, data);
    utimesSync(path, 1, 1);
  };
  put(Buffer.from('the file of an imagE'));
  expect((await get(`/files/${digest}`)).status).toBe(404);
  put(rotten);
  expect((await get(`/files/${digest}`)).body.equals(rotten)).toBe(true);
});

test('34 a request that comes drop by drop is ended, and a client that hardly takes what it asked for gives way to another', async () => {
  const started = performance.now();
  expect(await raw('GET /boot/ipxe HTTP/1.1\r\nhost: x\r\n')).toMatch(/^(HTTP\/1.1 408 |$)/);
  expect(performance.now() - started).toBeLessThan(15_000);
  const large = Buffer.alloc(64 * 1024 * 1024, 1);
  const name = createHash('sha256').update(large).digest('hex');
  writeFileSync(join(directory, name), large);
  const one = { slots: 1, waiting: 9, perClient: 9, patienceMs: 15_000 };
  const limits = { files: one, decisions: one };
  const impatient = await startBootHttp({
    ...options,
    limits,
    files: filesOf(directory, { patienceMs: 600 }),
    idleMs: 600,
  });
  const socket = connect(Number(new URL(impatient.url).port), '127.0.0.1').pause();
  socket.on('error', () => undefined);
  socket.write(`GET /files/${name} HTTP/1.1\r\nhost: x\r\n\r\n`);
  // It takes a little now and then, so that its connection never is idle, and holds the only slot.
  const sip = setInterval(() => socket.read(16_384), 100);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await fetch(`${impatient.url}/files/${sha256}`)).status).toBe(200);
  clearInterval(sip);
  socket.destroy();
  await impatient.close();
});

test('35 a header or a URL of 1 MB is refused', async () => {
  expect(await raw(`GET / HTTP/1.1\r\nhost: x\r\nlong: ${'a'.repeat(1024 * 1024)}\r\n\r\n`)).toMatch(
    /^(HTTP\/1.1 431 |$)/,
  );
  expect(await raw(`GET /${'a'.repeat(1024 * 1024)} HTTP/1.1\r\nhost: x\r\n\r\n`)).toMatch(/^(HTTP\/1.1 431 |$)/);
});

test('36 a request with two lengths is refused', async () => {
  const text = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n';
  expect(await raw(text)).toMatch(/^HTTP\/1.1 400 /);
});

test('37 a range past the end is 416; several ranges, or none that is understood, are the whole file', async () => {
  expect(await get(`/files/${sha256}`, { range: 'bytes=5000-' })).toMatchObject({
    status: 416,
    headers: { 'content-range': 'bytes */5000' },
  });
  const many = `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`;
  for (const range of [many, 'bytes=9-1x', 'lines=1-2', 'bytes=-'])
    expect((await get(`/files/${sha256}`, { range })).body).toHaveLength(5000);
});

test('38 a download that is taken up with another ETag gets the whole file', async () => {
  const headers = { range: 'bytes=10-', 'if-range': '"old"' };
  expect(await get(`/files/${sha256}`, headers)).toMatchObject({ status: 200 });
  expect(await get(`/files/${sha256}`, { ...headers, 'if-range': `"${sha256}"` })).toMatchObject({ status: 206 });
});

test('39 no path leads out of the folder', async () => {
  for (const path of [
    '/files/../server.ts',
    '/files/%2e%2e%2fx',
    '/files/%252e%252e/x',
    '/files/',
    `/files/${sha256}/..`,
    '/../etc/passwd',
  ])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  expect((await get('/boot/script', {}, 'POST')).status).toBe(405);
});

test('firmware that boots by HTTP gets a loader, its size by HEAD, and nothing else of this machine', async () => {
  const whole = await get('/loaders/snponly.efi');
  expect([whole.status, String(whole.body)]).toEqual([200, 'a loader']);
  const head = await get('/loaders/snponly.efi', {}, 'HEAD');
  expect([head.status, head.headers['content-type'], head.headers['content-length'], head.body.length]).toEqual([
    ...[200, 'application/efi', '8', 0],
  ]);
  for (const path of ['/loaders/none.efi', '/loaders/..', `/loaders/..%2f${sha256}`, '/loaders/'])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
});

test('the first script asks with all that iPXE knows; the second is the answer', async () => {
  expect(String((await get('/boot/ipxe')).body)).toContain(`${service.url}/boot/script?mac=\${netX/mac}`);
  const query = 'mac=52:54:00:00:00:01&platform=efi&uuid=11111111-2222-3333-4444-555555555555&serial=S1';
  expect(await script(query)).toBe('#!ipxe\necho machinedb: it is active\nexit 1\n');
  expect(asked).toEqual([
    {
      mac: '52:54:00:00:00:01',
      arch: 7,
      uuid: '11111111-2222-3333-4444-555555555555',
      serial: 'S1',
      address: '127.0.0.1',
    },
  ]);
  expect(await script('mac=52:54:00:00:00:01&platform=pcbios')).toContain('sanboot --no-describe --drive 0x80 || exit');
});

test('on UEFI the disk of an installed node is started by our loader, if it can be had', async () => {
  const loader = 'c'.repeat(64);
  answer = async () => ({ spec: { kind: 'local', loader }, reason: 'install 1 is done' });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toBe(
    `#!ipxe\necho machinedb: install 1 is done\nchain --autofree ${service.url}/files/${loader} ||\nexit 1\n`,
  );
});

test('a kernel gets the words of the answer and those of the boot service', async () => {
  answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: ['quiet', 'machinedb.pin=ff'] },
    reason: 'unknown machine: it is looked at',
  });
  const text = await script('mac=52:54:00:00:00:01&platform=efi');
  expect(text).toContain(
    `kernel ${service.url}/files/${'a'.repeat(64)} initrd=initrd quiet machinedb.pin=ff machinedb.files=${service.url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again`,
  );
});

test('parts of an initramfs are fetched in their order, and named to the kernel', async () => {
  const [kernel, initrd, over] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
  answer = async () => ({
    spec: { kind: 'linux', kernel, initrd, overlays: [over], arguments: ['quiet'] },
    reason: 'rescue by ann',
  });
  const text = await script('mac=52:54:00:00:00:01&platform=pcbios');
  const from = text.indexOf(':kernel\n');
  expect(text.slice(from, text.indexOf(':kernel_again')).split('\n')).toEqual([
    ':kernel',
    `kernel ${service.url}/files/${kernel} initrd=initrd initrd=initrd1 quiet machinedb.files=${service.url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again`,
    ':initrd',
    `initrd --name initrd ${service.url}/files/${initrd} || goto initrd_again`,
    ':initrd1',
    `initrd --name initrd1 ${service.url}/files/${over} || goto initrd1_again`,
    'boot || goto failed',
    '',
  ]);
  // A part that could not be had is asked for by itself.
  expect(text).toMatch(/:initrd1_again\n.*asked again in[\s\S]*goto initrd1\n/);
});

test('40 and 41 a newline or a meaning of iPXE in an answer never reaches a script', async () => {
  answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: ['x\nshell'] },
    reason: 'r',
  });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toContain('the inventory does not answer');
  answer = async () => ({ ...local, reason: `name \${x} 'y'\nshell && reboot` });
  expect((await script('mac=52:54:00:00:00:01&platform=efi')).split('\n')).toEqual([
    '#!ipxe',
    'echo machinedb: name ??x? ?y??shell ?? reboot',
    'exit 1',
    '',
  ]);
});

test('an inventory that fails, and a loader that does not say who it is, are asked again, never a dead end', async () => {
  answer = async () => {
    throw new Error('database away');
  };
  for (const query of ['mac=52:54:00:00:00:01&platform=efi', 'mac=x', ''])
    expect(await script(query)).toBe(
      `#!ipxe
echo machinedb: ${query.startsWith('mac=5') ? 'the inventory does not answer' : 'the loader did not tell its MAC address'}
sleep 10
${counters}${forEver('first', `${service.url}/boot/ipxe`)}`,
    );
});

/** A script's end: it asks for ever, ever more seldom, asks DHCP after six times where to, and never goes back to the firmware. */
const pause = (why: string, label: string) => `echo machinedb: ${why}: asked again in \${pause} s
sleep \${pause}
inc pause 3
inc tries
iseq \${tries} 6 || goto ${label}
set tries:int32 0
set pause:int32 5
`;
const forEver = (label: string, asked: string) => `:${label}
chain --replace --autofree ${asked} ||
${pause('the boot service does not answer', label)}dhcp netX || goto ${label}
chain --replace --autofree \${filename} || goto ${label}
`;
const counters = `isset \${tries} || set tries:int32 0\nisset \${pause} || set pause:int32 5\n`;

test('a boot service that is away is asked for ever, and what was fetched before is let go', async () => {
  const question = `${service.url}/boot/script?mac=\${netX/mac}&buildarch=\${buildarch}&platform=\${platform}&uuid=\${uuid}&serial=\${serial:uristring}`;
  expect(String((await get('/boot/ipxe')).body)).toBe(`#!ipxe\n${counters}${forEver('ask', question)}`);
  answer = async () => ({
    spec: { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: [] },
    reason: 'r',
  });
  expect(await script('mac=52:54:00:00:00:01&platform=efi')).toBe(
    `#!ipxe
echo machinedb: r
${counters}:kernel
kernel ${service.url}/files/${'a'.repeat(64)} initrd=initrd machinedb.files=${service.url}/files BOOTIF=01-\${netX/mac:hexhyp} || goto kernel_again
:initrd
initrd --name initrd ${service.url}/files/${'b'.repeat(64)} || goto initrd_again
boot || goto failed
:kernel_again
${pause('the kernel could not be had', 'kernel')}goto anew
:initrd_again
${pause('the initramfs could not be had', 'initrd')}goto anew
:failed
${pause('the image could not be started', 'anew')}:anew
imgfree
${forEver('first', `${service.url}/boot/ipxe`)}`,
  );
});

test('each machine gets pauses of its own, since its loader has no chance of its own', () => {
  expect([0, 0.5, 0.999].map((chance) => pausesOf(() => chance))).toEqual([
    { firstS: 3, moreS: 1 },
    { firstS: 5, moreS: 3 },
    { firstS: 6, moreS: 4 },
  ]);
});

test('a file that no signed manifest names is not served, and one whose name cannot be looked up is asked for again', async () => {
  catalogue = new Set();
  const unnamed = await get(`/files/${sha256}`);
  expect([unnamed.status, String(unnamed.body)]).toEqual([
    404,
    `no image of the catalogue has a file ${sha256}: machinedb image list shows them; machinedb image verify NAME tells whether all is well again`,
  ]);
  catalogue = undefined;
  const later = await get(`/files/${sha256}`);
  expect([later.status, later.headers['retry-after'], String(later.body)]).toEqual([
    503,
    '5',
    'whether an image has this file cannot be looked up (database away): ask again in 5 s\n',
  ]);
});

test('47 who says that it asks for another is not believed', async () => {
  await get('/boot/script?mac=52:54:00:00:00:01&platform=efi', {
    'x-real-ip': '10.0.0.9',
    'x-forwarded-for': '10.0.0.9',
  });
  expect(asked).toMatchObject([{ address: '127.0.0.1' }]);
});
