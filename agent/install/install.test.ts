import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import { imageText } from '../../shared/image-text.ts';
import type { TrustStore } from '../client/trust-store.ts';
import { markOf } from './guard.ts';
import { type Installer, installImage, type Order, type Told } from './install.ts';

const MIB = 1024 * 1024;
const DISK = 64 * MIB;
const node = '11111111-2222-4333-8444-555555555555';
const directory = mkdtempSync(join(tmpdir(), 'machinedb-install-'));
const disk = join(directory, 'nvme0n1');
const keys = generateKeyPairSync('ed25519');
const trust = {
  wantedKey: (id: string) => (id === 'k1' ? keys.publicKey.export({ type: 'spki', format: 'der' }) : undefined),
} as TrustStore;

/** A GPT image with one partition, its data random. */
function makeImage(): Buffer {
  const file = join(directory, 'image');
  const fd = openSync(file, 'w');
  ftruncateSync(fd, 24 * MIB);
  closeSync(fd);
  execFileSync('sfdisk', ['-q', file], { input: 'label: gpt\nstart=4MiB, size=16MiB, type=linux, name=root\n' });
  const image = readFileSync(file);
  randomBytes(8 * MIB).copy(image, 5 * MIB);
  return image;
}

const image = makeImage();
const stored = zstdCompressSync(image);
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

function order(more: Partial<Order> = {}, file: Partial<NonNullable<ImageManifest['files']['disk']>> = {}): Order {
  const manifest: ImageManifest = {
    name: 'base-os-2026.11',
    kind: 'disk',
    architecture: 'amd64',
    built_at: '2026-11-21T00:00:00Z',
    files: {
      disk: {
        sha256: sha256(stored),
        size: stored.length,
        encoding: 'zstd',
        raw_sha256: sha256(image),
        raw_size: image.length,
        ...file,
      },
    },
    agent: sha256(Buffer.from('agent')),
    packages: {},
  };
  const signature = sign(null, Buffer.from(imageText(manifest)), keys.privateKey).toString('base64');
  return { generation: 3, image: { manifest, signature, key: 'k1' }, wipe: false, disk: {}, ...more };
}

/** What the boot service answers next; undefined: the file as it is. */
let served: Buffer = stored;
/** Bytes after which a connection is cut, one after the other. */
let cuts: number[] = [];
/** What the boot service says of a file that it does not have. */
let missing: string | undefined;
/** Answers of a boot service that is busy: the Retry-After of each. */
let busy: number[] = [];
let server: Server;
let told: Told[] = [];
let handed: { device: string; start: number; bootable: boolean }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    if (missing !== undefined) return void response.writeHead(404).end(missing);
    const again = busy.shift();
    if (again !== undefined) return void response.writeHead(503, { 'retry-after': String(again) }).end();
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, { etag: '"x"', 'content-length': served.length - from });
    const cut = cuts.shift();
    if (cut === undefined) response.end(served.subarray(from));
    else response.write(served.subarray(from, from + cut), () => setTimeout(() => response.destroy(), 20));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  writeFileSync(disk, '');
  truncateSync(disk, DISK);
  served = stored;
  cuts = [];
  busy = [];
  missing = undefined;
  told = [];
  handed = [];
});

const bootable = () => {
  const data = readFileSync(disk);
  return data.readUInt16LE(510) === 0xaa55 || data.toString('latin1', 512, 520) === 'EFI PART';
};

function installer(more: Partial<Installer> = {}): Installer {
  return {
    node,
    disks: { S1: { name: 'nvme0n1', serial: 'S1', size_bytes: DISK, transport: 'nvme' } },
    trust,
    files: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/files`),
    devices: directory,
    patienceMs: 100,
    sleep: () => new Promise((resolve) => setTimeout(resolve, 5)),
    random: () => 0.5,
    tell: async (step) => {
      told.push(step);
      return true;
    },
    handOver: async (device, { start }) => void handed.push({ device, start, bootable: bootable() }),
    ...more,
  };
}

test('the disk holds the image, bootable only after the identity was handed over, and progress was told', async () => {
  expect(await installImage(installer(), order())).toBe(true);
  const data = readFileSync(disk);
  expect(sha256(data.subarray(0, image.length))).toBe(sha256(image));
  expect(handed).toEqual([{ device: disk, start: 4 * MIB, bootable: false }]);
  const phases = [...new Set(told.map(({ phase }) => phase))];
  expect(phases).toEqual(['started', 'writing', 'handing_over', 'installed']);
  expect(told.filter(({ phase }) => phase === 'writing').length).toBeLessThanOrEqual(21);
});

test('connections that break are taken up where they broke', async () => {
  cuts = [1, 100_000, 3_000_000];
  expect(await installImage(installer({ patienceMs: 60_000 }), order())).toBe(true);
  expect(sha256(readFileSync(disk).subarray(0, image.length))).toBe(sha256(image));
});

test('a boot service that is busy is asked again when it says, for as long as it says so: it is not away', async () => {
  busy = [30, 1, 7, 0];
  const slept: number[] = [];
  const sleep = async (ms: number) => void slept.push(ms);
  expect(await installImage(installer({ patienceMs: 0, sleep }), order())).toBe(true);
  // As it says, and up to a fifth more by chance.
  expect(slept).toEqual([33_000, 1100, 7700, 1100]);
});

test('a boot service that stays away is an error that says how far it came', async () => {
  cuts = [1000, 0, 0, 0, 0, 0];
  await expect(installImage(installer({ patienceMs: 4_000 }), order())).rejects.toThrow(
    /cannot be fetched: .*, \d+ of \d+ bytes came/,
  );
  expect(bootable()).toBe(false);
});

test('an image with one flipped bit is written, found out, and not made bootable', async () => {
  served = Buffer.from(stored);
  served[Math.floor(served.length / 2)]! ^= 1;
  await expect(installImage(installer(), order())).rejects.toThrow(
    `what came is not the file ${sha256(stored)} (its SHA-256 is ${sha256(served)}), and the disk was not made bootable: machinedb image verify tells whether`,
  );
  expect(bootable()).toBe(false);
});

test('a flipped bit that the decompression finds first is told in the same words', async () => {
  served = Buffer.from(stored);
  served[0]! ^= 1;
  await expect(installImage(installer(), order())).rejects.toThrow(
    `what came is not the file ${sha256(stored)} (Unknown frame descriptor), and the disk was not made bootable: machinedb image verify tells whether`,
  );
  expect(bootable()).toBe(false);
});

test('a file that the boot service does not have is told at once, in its own words', async () => {
  missing = 'the file is damaged: put the good one back';
  await expect(installImage(installer({ patienceMs: 60_000 }), order())).rejects.toThrow(
    `/files/${sha256(stored)} answers HTTP 404: the file is damaged: put the good one back`,
  );
  expect(bootable()).toBe(false);
});

test('a wrong signature, an untrusted key: nothing is written', async () => {
  const { image: signed } = order();
  const manifest = { ...signed.manifest, name: 'other-2026.11' };
  await expect(installImage(installer(), order({ image: { ...signed, manifest } }))).rejects.toThrow(
    'the signature of image other-2026.11 does not hold: it is not written',
  );
  await expect(installImage(installer(), order({ image: { ...signed, key: 'k2' } }))).rejects.toThrow('not trusted');
  expect(readFileSync(disk).every((byte) => byte === 0)).toBe(true);
  expect(told).toEqual([]);
});

test('a disk with data is not written but on request', async () => {
  const data = Buffer.alloc(DISK);
  data.write('precious', 9 * MIB);
  writeFileSync(disk, data);
  await expect(installImage(installer(), order())).rejects.toThrow(
    'disk S1 (nvme0n1) holds data: ask again with --wipe if it may be lost',
  );
  expect(readFileSync(disk).equals(data)).toBe(true);
  expect(await installImage(installer(), order({ wipe: true }))).toBe(true);
});

test('what a power cut in the middle left is not data for the same node, and does not boot; what an install finished is', async () => {
  const cut = installer({
    tell: async ({ percent }) => {
      if (percent !== undefined && percent > 30) throw new Error('power cut');
      return true;
    },
  });
  await expect(installImage(cut, order())).rejects.toThrow('power cut');
  expect(bootable()).toBe(false);
  expect(readFileSync(disk).subarray(-4096).equals(markOf(node, 3))).toBe(true);
  const others = installer({ node: '99999999-2222-4333-8444-555555555555' });
  await expect(installImage(others, order())).rejects.toThrow('holds data');
  // The image was mended, and the install asked for anew.
  expect(await installImage(installer(), order({ generation: 4 }))).toBe(true);
  await expect(installImage(installer(), order({ generation: 5 }))).rejects.toThrow('holds data');
});

test('an install that is taken back stops', async () => {
  const tell = async ({ phase }: Told) => phase !== 'writing';
  expect(await installImage(installer({ tell }), order())).toBe(false);
  expect(bootable()).toBe(false);
  expect(handed).toEqual([]);
});
