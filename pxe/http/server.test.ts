import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { filesOf } from '../testing.ts';
import { startBootHttp } from './server.ts';
import { startService } from './testing.ts';

const { directory, sha256, options, port, state, get, reset, close } = await startService();
beforeEach(reset);
afterAll(close);

/** What the server answers to these bytes; '' when it only ends the connection. */
async function raw(text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(text);
  let got = '';
  socket.on('data', (chunk) => {
    got += String(chunk);
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return got;
}

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
    idleMs: 10_000,
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

test('47 who says that it asks for another is not believed', async () => {
  await get('/boot/script?mac=52:54:00:00:00:01&platform=efi', {
    'x-real-ip': '10.0.0.9',
    'x-forwarded-for': '10.0.0.9',
  });
  expect(state.asked).toMatchObject([{ address: '127.0.0.1' }]);
});
