import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keptLog, mutate, Peer, seeded } from '../testing.ts';
import { openBelow } from './open-file.ts';
import { startTftp, type TftpOptions, type TftpServer } from './server.ts';

let directory: string;
let root: string;
let server: TftpServer;
let log: ReturnType<typeof keptLog>;
let peers: Peer[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'machinedb-tftp-'));
  root = join(directory, 'tftp');
  mkdirSync(join(root, 'efi'), { recursive: true });
  writeFileSync(join(root, 'undionly.kpxe'), 'x'.repeat(1000));
  writeFileSync(join(root, 'efi/snponly.efi'), 'y'.repeat(3));
  writeFileSync(join(directory, 'secret'), 'secret');
  symlinkSync('../secret', join(root, 'out'));
  symlinkSync('efi/snponly.efi', join(root, 'in'));
  symlinkSync(directory, join(root, 'up'));
  log = keptLog();
  peers = [];
  await start();
});
afterEach(async () => {
  for (const peer of peers) peer.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

async function start(more: Partial<TftpOptions> = {}): Promise<void> {
  server = await startTftp({ address: '127.0.0.1', port: 0, root, rackOf: (ip) => ip.slice(0, 6), log, ...more });
}

async function open(address?: string): Promise<Peer> {
  const peer = await Peer.open(address);
  peers.push(peer);
  return peer;
}

const read = (...strings: string[]) => Buffer.from(`\0\u0001${strings.map((s) => `${s}\0`).join('')}`, 'latin1');
const acknowledge = (block: number) => Buffer.from([0, 4, block >> 8, block & 255]);

/** The file as RFC 1350 takes it, or the error's code and words. */
async function fetch(name: string, peer?: Peer, mode = 'octet'): Promise<string> {
  const client = peer ?? (await open());
  client.send(read(name, mode), server.port);
  return await finish(client);
}

async function finish(client: Peer): Promise<string> {
  let content = '';
  for (;;) {
    const got = await client.next();
    if (got === undefined) throw new Error('no answer');
    if (got.data[1] === 5) return `error ${got.data[3]}: ${got.data.toString('latin1', 4, got.data.length - 1)}`;
    content += got.data.toString('latin1', 4);
    client.send(acknowledge(got.data.readUInt16BE(2)), got.port);
    if (got.data.length < 516) return content;
  }
}

test.each([
  ['undionly.kpxe', 'x'.repeat(1000)],
  ['/undionly.kpxe', 'x'.repeat(1000)],
  ['efi/snponly.efi', 'yyy'],
  ['in', 'yyy'],
])('%s is served', async (name, content) => {
  expect(await fetch(name)).toBe(content);
});

test('a transfer is told of when it is over', async () => {
  await fetch('undionly.kpxe');
  await expect
    .poll(() => log.lines)
    .toEqual([['info', 'TFTP', { file: 'undionly.kpxe', bytes: 1000, client: '127.0.0.1', whole: true }]]);
});

test('options are answered, from the address that was asked', async () => {
  const client = await open();
  client.send(read('undionly.kpxe', 'octet', 'tsize', '0', 'blksize', '1456'), server.port);
  const answer = (await client.next())!;
  expect(answer.data.toString('latin1')).toBe('\0\u0006blksize\x001456\0tsize\x001000\0');
  expect(answer.address).toBe('127.0.0.1');
  client.send(acknowledge(0), answer.port);
  expect((await client.next())!.data.length).toBe(1004);
});

test('a request that comes twice is served once; another one from the same port is begun anew', async () => {
  const client = await open();
  for (let i = 0; i < 3; i++) client.send(read('undionly.kpxe', 'octet', 'tsize', '0'), server.port);
  expect((await client.next())!.data[1]).toBe(6);
  expect(await client.next(200)).toBeUndefined();
  expect(await fetch('efi/snponly.efi', client)).toBe('yyy');
});

test('an error of the client ends its session', async () => {
  const client = await open();
  client.send(read('undionly.kpxe', 'octet', 'tsize', '0'), server.port);
  client.send(Buffer.from('\0\u0005\0\0stop\0'), (await client.next())!.port);
  await expect.poll(() => log.lines.map(([, , data]) => data)).toMatchObject([{ whole: false }]);
});

describe('bad input', () => {
  test.each([
    '../secret',
    '/../secret',
    'efi/../../secret',
    '..%2fsecret',
    '%2e%2e/secret',
    '..\\secret',
    'up/secret',
    'efi',
    '.',
    '/etc/passwd',
    'efi/../undionly.kpxe',
    'efi/./snponly.efi',
    'absent',
    'undionly.kpxe ',
    'und\u001b[31m',
  ])('17 %j is not found', async (name) => {
    expect(await fetch(name)).toBe('error 1: file not found');
  });

  test('17 a folder that is asked for again and again is closed again', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    for (let i = 0; i < 50; i++) expect(openBelow(root, 'efi')).toBeUndefined();
    expect(open()).toBe(before);
  });

  test('17 a name with NUL is what stands before it', async () => {
    const client = await open();
    client.send(read('undionly.kpxe\0../secret', 'octet'), server.port);
    expect(await finish(client)).toBe('error 4: only mode octet is served');
  });

  test('18 a link out of the folder is not found', async () => {
    expect(await fetch('out')).toBe('error 1: file not found');
  });

  test('24 writing is refused', async () => {
    const client = await open();
    client.send(Buffer.from('\0\u0002file\0octet\0'), server.port);
    expect(await finish(client)).toBe('error 2: this server is read only');
  });

  test.each(['netascii', 'mail', 'x'])('25 mode %s is refused', async (mode) => {
    expect(await fetch('undionly.kpxe', undefined, mode)).toBe('error 4: only mode octet is served');
  });

  test('26 one client has so many sessions, and all together so many; then there is silence', async () => {
    await server.close();
    await start({ most: 8, mostPerClient: 2 });
    const clients = await Promise.all([open(), open(), open()]);
    for (const client of clients) client.send(read('undionly.kpxe', 'octet', 'tsize', '0'), server.port);
    const answers = await Promise.all(clients.map((client) => client.next(300)));
    expect(answers.map((answer) => answer?.data[1])).toEqual([6, 6, undefined]);
  });

  test('26 a rack has no more sessions than are free, so that another is served beside it', async () => {
    await server.close();
    await start({ most: 4 });
    const clients = await Promise.all(['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.1.0.2'].map(open));
    const answers = [];
    for (const client of clients) {
      client.send(read('undionly.kpxe', 'octet', 'tsize', '0'), server.port);
      answers.push((await client.next(300))?.data[1]);
    }
    expect(answers).toEqual([6, 6, undefined, 6]);
  });

  test('27 a packet from another port gets an error, and the session goes on', async () => {
    const [client, other] = await Promise.all([open(), open()]);
    client.send(read('undionly.kpxe', 'octet'), server.port);
    const first = (await client.next())!;
    other.send(acknowledge(1), first.port);
    expect(await finish(other)).toBe('error 5: unknown transfer id');
    client.send(acknowledge(1), first.port);
    expect((await client.next())!.data.length).toBe(492);
  });

  test('32 a file that is replaced is sent as it was', async () => {
    const client = await open();
    client.send(read('undionly.kpxe', 'octet'), server.port);
    const first = (await client.next())!;
    writeFileSync(join(root, 'new'), 'z'.repeat(1000));
    renameSync(join(root, 'new'), join(root, 'undionly.kpxe'));
    client.send(acknowledge(1), first.port);
    expect((await client.next())!.data.toString('latin1', 4)).toBe('x'.repeat(488));
  });

  test('19 26 after 20,000 packets of garbage a client at another address is served', async () => {
    const random = seeded(19);
    const noise = await open();
    noise.socket.removeAllListeners('message');
    for (let i = 0; i < 20_000; i++) {
      noise.send(mutate(read('undionly.kpxe', 'octet', 'blksize', '1456', 'tsize', '0'), random), server.port);
      if (i % 200 === 0) await new Promise(setImmediate);
    }
    // The queue of the socket may still be full of noise, so this one asks again, as all clients do.
    const client = await open('127.0.0.2');
    await expect
      .poll(async () => {
        client.send(read('efi/snponly.efi', 'octet'), server.port);
        return (await client.next(300))?.data.toString('latin1', 4);
      })
      .toBe('yyy');
  });
});
