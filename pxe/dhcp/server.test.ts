import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort, keptLog, mutate, Peer, seeded } from '../testing.ts';
import { Leases } from './leases.ts';
import { Neighbours } from './neighbours.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { types } from './reply.ts';
import { type DhcpServer, startDhcp } from './server.ts';

// Loopback has no broadcast: the clients of these tests sit behind a relay, which is answered at its own address.
const relay = '127.0.0.2';
const a = '52:54:00:00:00:0a';
const b = '52:54:00:00:00:0b';

let directory: string;
let port: number;
let server: DhcpServer;
let peer: Peer;
let log: ReturnType<typeof keptLog>;
let leases: Leases;
let reservation: (mac: string) => Promise<string | undefined>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'machinedb-dhcp-'));
  port = await freePort();
  log = keptLog();
  reservation = async () => undefined;
  await start();
  peer = await Peer.open(relay, port);
});
afterEach(async () => {
  peer.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

async function start(): Promise<void> {
  leases = new Leases({
    file: join(directory, 'leases.json'),
    pool: { first: '127.0.0.100', last: '127.0.0.110' },
    leaseSeconds: 600,
    now: Date.now,
  });
  server = await startDhcp({
    places: [
      {
        address: '127.0.0.1',
        prefixLength: 24,
        relays: [relay],
        subnet: { server: '127.0.0.1', mask: '255.255.255.0', dns: [], leaseSeconds: 600 },
        leases,
        ports: [],
      },
    ],
    reservation: (mac) => reservation(mac),
    neighbours: new Neighbours({ own: '127.0.0.1', expected: false, log, now: Date.now }),
    ownMac: '00:00:00:00:00:00',
    loader: 'ipxe',
    bootUrl: 'http://127.0.0.1:4281',
    serverPort: port,
    clientPort: port + 1,
    log,
  });
}

function packet(
  type: number,
  mac: string,
  options: Record<number, string> = {},
  more: Partial<DhcpPacket> = {},
): Buffer {
  const zero = { ciaddr: none, yiaddr: none, siaddr: none, giaddr: relay, sname: '', file: '' };
  const dotted = Object.entries(options).map(([code, ip]): [number, Buffer] => [
    Number(code),
    Buffer.from(ip.split('.').map(Number)),
  ]);
  const all = new Map<number, Buffer>([[53, Buffer.from([type])], ...dotted]);
  return encodePacket({ op: 1, hops: 1, xid: 9, secs: 0, broadcast: false, mac, options: all, ...zero, ...more });
}

/** Sends, and answers the message type and address that come back; undefined: nothing did. */
async function ask(...args: Parameters<typeof packet>): Promise<[number, string] | undefined> {
  peer.send(packet(...args), port);
  const got = await peer.next(400);
  const parsed = got && parsePacket(got.data);
  return parsed && [parsed.options.get(53)![0]!, parsed.yiaddr];
}

/** Discovers, requests, and answers the address. */
async function boot(mac: string): Promise<string | undefined> {
  const [, address] = (await ask(types.discover, mac)) ?? [];
  if (address === undefined) return undefined;
  const [type] = (await ask(types.request, mac, { 50: address, 54: '127.0.0.1' })) ?? [];
  return type === types.ack ? address : undefined;
}

test('a machine gets an address, and keeps it when the service starts anew', async () => {
  expect(await boot(a)).toBe('127.0.0.100');
  expect(await boot(b)).toBe('127.0.0.101');
  await server.close();
  await start();
  expect(await ask(types.request, a, {}, { ciaddr: '127.0.0.100' })).toEqual([types.ack, '127.0.0.100']);
  expect(await boot(b)).toBe('127.0.0.101');
});

test('an address that is kept for a machine is its own, and it keeps that while reservations cannot be had', async () => {
  reservation = async (mac) => (mac === a ? '127.0.0.50' : undefined);
  expect(await boot(a)).toBe('127.0.0.50');
  reservation = () => Promise.reject(new Error('no database'));
  expect(await boot(a)).toBe('127.0.0.50');
  expect(log.lines).toContainEqual([
    'warn',
    'no reservation could be had: a machine gets the address it had, or one of the pool',
    { mac: a, cause: 'no database' },
  ]);
});

test('an address that is no longer kept for a machine is refused it', async () => {
  reservation = async () => '127.0.0.50';
  await boot(a);
  reservation = async () => undefined;
  expect(await ask(types.request, a, {}, { ciaddr: '127.0.0.50' })).toEqual([types.nak, none]);
  expect(await boot(a)).toBe('127.0.0.100');
});

test('a machine that runs on an address of the pool goes on with it until it boots again', async () => {
  await boot(a);
  reservation = async () => '127.0.0.50';
  expect(await ask(types.request, a, {}, { ciaddr: '127.0.0.100' })).toEqual([types.ack, '127.0.0.100']);
  expect(await boot(a)).toBe('127.0.0.50');
});

test('a machine whose lease we forgot gets its address back; one of another network is let be', async () => {
  expect(await ask(types.request, a, { 50: '127.0.0.105' })).toEqual([types.ack, '127.0.0.105']);
  expect(await ask(types.request, b, { 50: '10.1.2.3' })).toBeUndefined();
  expect(await ask(types.request, b, { 50: '127.0.0.105' })).toBeUndefined();
});

test('a released address is free', async () => {
  await boot(a);
  await ask(types.release, a, { 54: '127.0.0.1' }, { ciaddr: '127.0.0.100' });
  expect(await boot(b)).toBe('127.0.0.100');
});

test('9 whoever pretends to be a relay is not answered, and takes and frees no address', async () => {
  await boot(a);
  expect(await ask(types.discover, b, {}, { giaddr: '127.0.0.3' })).toBeUndefined();
  expect(await ask(types.release, a, {}, { giaddr: '127.0.0.3' })).toBeUndefined();
  expect(Object.keys(leases.list())).toEqual([a]);
});

test('15 another server that a machine chose is told of once a minute, and never fought', async () => {
  expect(await ask(types.discover, a)).toEqual([types.offer, '127.0.0.100']);
  expect(await ask(types.request, a, { 50: '127.0.0.7', 54: '127.0.0.9' })).toBeUndefined();
  expect(await ask(types.request, b, { 50: '127.0.0.7', 54: '127.0.0.9' })).toBeUndefined();
  expect(log.lines).toEqual([
    [
      'warn',
      'another DHCP server answers in this network: machines may follow it',
      { server: '127.0.0.9', network: '127.0.0.1/24', mac: a },
    ],
  ]);
  expect(leases.list()).toEqual({});
});

test('11 a flood of invented machines, and of packets that are none, leaves a known one served', async () => {
  await boot(a);
  const random = seeded(3);
  const base = packet(types.discover, b);
  for (let i = 0; i < 20_000; i++) {
    const invented = mutate(base, random);
    invented.set(
      [2, 0, 0, i >> 16, (i >> 8) & 255, i & 255].slice(0, Math.max(0, invented.length - 28)),
      Math.min(28, invented.length),
    );
    peer.send(invented, port);
    if (i % 200 === 0) await new Promise(setImmediate);
  }
  while ((await peer.next(300)) !== undefined);
  expect(await boot(a)).toBe('127.0.0.100');
  expect(Object.keys(leases.list()).length).toBeLessThanOrEqual(11);
});
