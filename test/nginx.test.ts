import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startBootHttp } from '../pxe/http/server.ts';
import { filesOf, freePort, httpGet } from '../pxe/testing.ts';
import type { BootRequest } from '../shared/boot.ts';
import { startNginx } from './lab/nginx.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-nginx-'));
const files = join(directory, 'files');
mkdirSync(files);
const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
const put = (name: string, data: Buffer) => {
  writeFileSync(join(files, name), data);
  return name;
};
const sha256 = put(createHash('sha256').update(content).digest('hex'), content);
const damaged = put('d'.repeat(64), content);
const unknown = put('a'.repeat(64), content);

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const asked: BootRequest[] = [];
const service = await startBootHttp({
  address: '127.0.0.1',
  port: 0,
  nginx: url,
  files: filesOf(files, { byNginx: true, isKnown: async (digest) => digest !== unknown }),
  rackOf: (address) => address,
  decide: async (request) => {
    asked.push(request);
    return { spec: { kind: 'local' }, reason: 'it is active' };
  },
  arguments: () => [],
  log: { info: () => {}, warn: () => {} },
  random: () => 0.5,
});
const nginx = await startNginx(join(directory, 'nginx'), { port, upstream: service.port, files });
let closed = false;
const closeService = async () => {
  if (!closed) await service.close();
  closed = true;
};
afterAll(async () => {
  await nginx.close();
  await closeService();
  rmSync(directory, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}, more: RequestOptions = {}) =>
  httpGet(port, path, { headers, ...more });

test('nginx sends a file that the boot service named, whole, in part and by HEAD, with the same ETag', async () => {
  const whole = await get(`/files/${sha256}`);
  expect(whole).toMatchObject({
    status: 200,
    headers: {
      server: expect.stringContaining('nginx'),
      etag: `"${sha256}"`,
      'content-length': '300000',
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
    },
  });
  expect(whole.body.equals(content)).toBe(true);
  expect(whole.headers).not.toHaveProperty('x-accel-redirect');
  const part = await get(`/files/${sha256}`, { range: 'bytes=299990-', 'if-range': `"${sha256}"` });
  expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 299990-299999/300000' } });
  expect(part.body.equals(content.subarray(299_990))).toBe(true);
  const head = await get(`/files/${sha256}`, {}, { method: 'HEAD' });
  expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '300000', 0]);
});

test('37 38 ranges that cannot be, and those of another file, are answered as without nginx', async () => {
  expect(await get(`/files/${sha256}`, { range: 'bytes=300000-' })).toMatchObject({ status: 416 });
  const many = `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`;
  expect((await get(`/files/${sha256}`, { range: many })).body).toHaveLength(300_000);
  expect(await get(`/files/${sha256}`, { range: 'bytes=10-', 'if-range': '"old"' })).toMatchObject({ status: 200 });
});

test('39 what the boot service does not name is not sent, whatever the path', async () => {
  for (const path of [
    `/files/${damaged}`,
    `/files/${unknown}`,
    `/machinedb-files/${sha256}`,
    `/files/../machinedb-files/${sha256}`,
    '/files/%2e%2e/nginx.conf',
    '/nginx.conf',
  ])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
});

test('47 the boot service hears from nginx who asks, and of nobody else; scripts name nginx', async () => {
  const path = '/boot/script?mac=52:54:00:00:00:01&platform=efi';
  await get(path, { 'x-real-ip': '10.0.0.9' }, { localAddress: '127.0.0.7' });
  expect(asked).toMatchObject([{ address: '127.0.0.7' }]);
  expect(String((await get('/boot/ipxe')).body)).toContain(`chain --replace --autofree ${url}/boot/script?`);
});

test('while the boot service is away nginx says when to come again', async () => {
  await closeService();
  expect(await get('/boot/ipxe')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
});
