import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import http, { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { startBootHttp } from '../http/server.ts';
import { filesOf, keptLog } from '../testing.ts';
import { fetchFile } from './centre.ts';
import { FileCache } from './file-cache.ts';

const content = randomBytes(300_000);
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const sha256 = digest(content);
const others = [1, 2, 3].map((n) => Buffer.alloc(1000, n));
const all = new Map([content, ...others].map((bytes) => [digest(bytes), bytes]));

/** What the origin does with a request besides answering it well. */
let origin: 'good' | 'cut' | 'short' | 'wrong' | 'long' = 'good';
let asked = 0;
const server = createServer((request, response) => {
  asked += 1;
  const bytes = all.get(request.url!.split('/').at(-1)!)!;
  if (origin === 'short') return void response.end(bytes.subarray(0, bytes.length / 2));
  if (origin === 'wrong') return void response.end(Buffer.from(bytes).fill(0, 0, 1));
  if (origin === 'long') return void response.end(Buffer.concat([bytes, bytes]));
  response.writeHead(200, { 'content-length': bytes.length });
  if (origin === 'good') return void response.end(bytes);
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const upstream = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
const made: string[] = [];
afterAll(() => {
  server.closeAllConnections();
  server.close();
  for (const directory of made) rmSync(directory, { recursive: true });
});
beforeEach(() => {
  origin = 'good';
  asked = 0;
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-cache-'));
  made.push(directory);
  return directory;
}

const open = (directory: string, limit?: number) =>
  FileCache.open({
    ...{ directory, limit, log: keptLog() },
    sizeOf: (name) => all.get(name)?.length,
    fetch: (name) => fetchFile(upstream, 'token', undefined, name),
  });

async function serve(directory: string, cache: FileCache) {
  const service = await startBootHttp({
    ...{ address: '127.0.0.1', port: 0, log: keptLog(), rackOf: (asker) => asker, random: Math.random },
    files: filesOf(directory, { origin: cache, isKnown: async (name) => all.has(name) }),
    decide: () => Promise.reject(new Error('not asked here')),
    arguments: () => [],
  });
  const get = async (name: string) => {
    const { promise, resolve } = Promise.withResolvers<http.IncomingMessage>();
    http.get(`${service.url}/files/${name}`, { agent: false }, resolve);
    const response = await promise;
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece as Buffer);
    return { status: response.statusCode, wait: response.headers['retry-after'], body: Buffer.concat(pieces) };
  };
  return { get, close: service.close };
}

test('a file is fetched once, however many ask for it, and is there after a restart', async () => {
  const directory = folder();
  const { get, close } = await serve(directory, await open(directory));
  const got = await Promise.all([1, 2, 3].map(() => get(sha256)));
  for (const { status, body } of got) expect([status, body.equals(content)]).toEqual([200, true]);
  await close();
  const again = await serve(directory, await open(directory));
  expect((await again.get(sha256)).body.equals(content)).toBe(true);
  expect(asked).toBe(1);
  await again.close();
});

test('43 what comes truncated, too long or otherwise wrong is never kept, nor served', async () => {
  const directory = folder();
  const { get, close } = await serve(directory, await open(directory));
  for (const [fault, cause] of [
    ['cut', 'aborted'],
    ['short', `150000 of 300000 bytes of ${sha256} came`],
    ['long', `more than 300000 of 300000 bytes of ${sha256} came`],
    ['wrong', `what came as ${sha256} has the SHA-256 `],
  ] as const) {
    origin = fault;
    const { status, wait, body } = await get(sha256);
    expect([status, wait]).toEqual([503, '5']);
    expect(String(body)).toContain(`the file ${sha256} cannot be had now: ${cause}`);
    expect(readdirSync(directory)).toEqual([]);
  }
  origin = 'good';
  expect((await get(sha256)).body.equals(content)).toBe(true);
  await close();
});

test('44 a bit that flips in the cache is found, and the file fetched anew', async () => {
  const directory = folder();
  const { get, close } = await serve(directory, await open(directory));
  await get(sha256);
  const flipped = Buffer.from(content);
  flipped[1234]! ^= 1;
  writeFileSync(join(directory, sha256), flipped);
  expect((await get(sha256)).body.equals(content)).toBe(true);
  expect(asked).toBe(2);
  expect(readFileSync(join(directory, sha256)).equals(content)).toBe(true);
  // With the centre away nothing false is served.
  writeFileSync(join(directory, sha256), flipped);
  origin = 'cut';
  expect((await get(sha256)).status).toBe(503);
  await close();
});

test('a file that no signed manifest names is not asked for', async () => {
  const directory = folder();
  const { get, close } = await serve(directory, await open(directory));
  expect((await get('f'.repeat(64))).status).toBe(404);
  expect(asked).toBe(0);
  await close();
});

test('at its limit the cache lets go what nobody used for the longest time; a file that was cut off by a crash is swept', async () => {
  const directory = folder();
  const [a, b, c] = others.map(digest) as [string, string, string];
  const { get, close } = await serve(directory, await open(directory, 2500));
  for (const name of [a, b, a, c]) expect((await get(name)).status).toBe(200);
  expect(readdirSync(directory).sort()).toEqual([a, c].sort());
  expect(String((await get(sha256)).body)).toContain("has 300000 bytes, and the cache's limit is 2500");
  await close();
  writeFileSync(join(directory, 'part-0123'), 'half');
  utimesSync(join(directory, c), 1, 1);
  const again = await serve(directory, await open(directory, 2500));
  expect((await again.get(b)).status).toBe(200);
  expect(readdirSync(directory).sort()).toEqual([a, b].sort());
  await again.close();
});
