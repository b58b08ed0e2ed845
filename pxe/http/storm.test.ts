import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { worstShare } from '../storm-simulation.ts';
import { filesOf, seeded } from '../testing.ts';
import { type BootHttpOptions, LIMITS, startBootHttp } from './server.ts';

const hex = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/** A boot service whose racks are 127.0.0.0/24, 127.0.1.0/24 and so on, with files of these sizes. */
async function serve(sizes: number[], more: Partial<BootHttpOptions> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-storm-'));
  const files = sizes.map((size, i) => {
    const data = Buffer.alloc(size, i + 1);
    writeFileSync(join(directory, hex(data)), data);
    return { sha256: hex(data), size };
  });
  const service = await startBootHttp({
    address: '127.0.0.1',
    port: 0,
    files: filesOf(directory),
    rackOf: (address) => address.split('.')[2]!,
    decide: async () => ({ spec: { kind: 'local' }, reason: 'it is active' }),
    arguments: () => [],
    log: { info: () => {}, warn: () => {} },
    random: seeded(46),
    ...more,
  });
  onTestFinished(async () => {
    await service.close();
    rmSync(directory, { recursive: true });
  });
  const paths = ['/boot/ipxe', '/boot/script?mac=52:54:00:00:00:01&platform=efi'];
  return { url: service.url, files: files.map(({ sha256, size }) => ({ path: `/files/${sha256}`, size })), paths };
}

/** Bytes of the answer; a number of seconds below zero: to come again in so many. */
function get(url: string, localAddress: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = http.get(url, { agent: false, localAddress }, (response) => {
    const again = response.headers['retry-after'];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 200) resolve(bytes);
      else if (response.statusCode === 503 && again !== undefined) resolve(-Number(again));
      else reject(new Error(`HTTP ${response.statusCode} without a time to come again`));
    });
  });
  request.on('error', reject);
  return promise;
}

/** Asks until it is served, when it is told to; answers how often it was turned away, and the bytes. */
async function obey(url: string, localAddress: string): Promise<{ away: number; bytes: number }> {
  for (let away = 0; ; away++) {
    // Both ends share this process: a connection on which it was slow to ask is ended, and asks again as a loader does.
    const got = await get(url, localAddress).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') throw error;
      return -1;
    });
    if (got >= 0) return { away, bytes: got };
    await new Promise((resolve) => setTimeout(resolve, -got * 1000));
  }
}

test('46 5,000 machines ask for an initramfs at once: all get it, in memory that does not grow with them', async () => {
  const size = 128 * 1024;
  const { url, files } = await serve([size]);
  const before = process.memoryUsage().rss;
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 50);
  onTestFinished(() => clearInterval(timer));
  const asked = Array.from({ length: 5000 }, (_, i) => obey(url + files[0]!.path, `127.0.${i >> 8}.${1 + (i & 127)}`));
  const answers = await Promise.all(asked);
  expect(answers.every(({ bytes }) => bytes === size)).toBe(true);
  // Both ends of 5,000 connections are in this process; what they carry is 0.6 GB.
  expect(most - before).toBeLessThan(500e6);
}, 240_000);

test('2,000 machines of 7 racks boot, the largest first: all are served, and each rack in its fair time', async () => {
  const limits = {
    files: { ...LIMITS.files, slots: 16, waiting: 300 },
    decisions: { ...LIMITS.decisions, slots: 8, waiting: 300 },
  };
  const { url, files, paths } = await serve([64 * 1024, 256 * 1024], { limits });
  const racks = [800, 200, 200, 200, 200, 200, 200];
  const started = performance.now();
  const ended = racks.map(() => 0);
  const boot = async (rack: number, machine: number) => {
    const from = `127.0.${rack}.${1 + (machine % 250)}`;
    for (const path of paths) await obey(url + path, from);
    for (const { path, size } of files) expect((await obey(url + path, from)).bytes).toBe(size);
    ended[rack] = Math.max(ended[rack]!, performance.now() - started);
  };
  await Promise.all(
    racks.flatMap((machines, rack) => Array.from({ length: machines }, (_, machine) => boot(rack, machine))),
  );
  expect(worstShare(racks, ended)).toBeLessThanOrEqual(1.5);
}, 240_000);

test('who finds no room is told when to come again, comes then, and is served', async () => {
  const limits = { ...LIMITS, decisions: { ...LIMITS.decisions, slots: 1, waiting: 2 } };
  // A database that is slow: one machine is answered, two wait, and seven find no room.
  const decide: BootHttpOptions['decide'] = async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { spec: { kind: 'local' }, reason: 'it is active' };
  };
  const { url, paths } = await serve([], { limits, decide });
  const machines = Array.from({ length: 10 }, (_, i) => obey(url + paths[1]!, `127.0.1.${1 + i}`));
  const answers = await Promise.all(machines);
  expect(answers.filter(({ away }) => away > 0).length).toBeGreaterThanOrEqual(7);
  expect(answers.every(({ bytes }) => bytes > 0)).toBe(true);
}, 60_000);
