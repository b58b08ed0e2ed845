import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, keptLog, mutate, Peer, seeded } from '../testing.ts';
import { Leases } from './leases.ts';
import { Neighbours } from './neighbours.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { types } from './reply.ts';
import { type DhcpOptions, type DhcpServer, startDhcp } from './server.ts';

// Loopback has no broadcast: the clients of these tests sit behind a relay, which is answered at its own address.
const relay = '127.0.0.2';
const far = '127.0.8.2';
const a = '52:54:00:00:00:0a';
const b = '52:54:00:00:00:0b';

let directory: string;
let port: number;
let server: DhcpServer;
let peer: Peer;
let farPeer: Peer;
let xid = 0;
let log: ReturnType<typeof keptLog>;
let leases: Leases;
let reservation: DhcpOptions['reservation'];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'machinedb-dhcp-'));
  port = await freePort();
  log = keptLog();
  reservation = async () => undefined;
  await start();
  peer = await Peer.open(relay, port);
  farPeer = await Peer.open(far, port);
});
afterEach(async () => {
  peer.close();
  farPeer.close();
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
      // Loopback has no broadcast: also the interface's own network is behind a relay here.
      {
        address: '127.0.0.1',
        prefixLength: 24,
        relays: [relay],
        subnet: { server: '127.0.0.1', mask: '255.255.255.0', dns: [], leaseSeconds: 600 },
        leases,
        ports: [],
      },
      {
        address: '127.0.8.0',
        prefixLength: 24,
        relays: [far],
        subnet: { server: '127.0.0.1', mask: '255.255.255.0', router: '127.0.8.1', dns: [], leaseSeconds: 60 },
        leases: new Leases({
          file: join(directory, 'leases-far.json'),
          pool: { first: '127.0.8.100', last: '127.0.8.101' },
          leaseSeconds: 60,
          now: Date.now,
        }),
        ports: [
          { circuit: 'ge-0/0/7', remote: undefined, address: '127.0.8.7' },
          { circuit: undefined, remote: '0x0001', address: '127.0.8.8' },
        ],
      },
    ],
    reservation: (mac, network) => reservation(mac, network),
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
  const all = new Map<number, Buffer>([[53, Buffer.from([type])], ...dotted, ...(more.options ?? [])]);
  return encodePacket({ op: 1, hops: 1, xid, secs: 0, broadcast: false, mac, ...zero, ...more, options: all });
}

/** Sends, and answers what comes back; undefined: nothing did. An answer that comes late is nobody's. */
async function answer(...args: Parameters<typeof packet>): Promise<DhcpPacket | undefined> {
  xid += 1;
  const from = args[3]?.giaddr === far ? farPeer : peer;
  from.send(packet(...args), port);
  for (;;) {
    const got = await from.next(2000);
    const parsed = got && parsePacket(got.data);
    if (parsed === undefined || parsed.xid === xid) return parsed;
  }
}

/** Message type and address of an answer. */
async function ask(...args: Parameters<typeof packet>): Promise<[number, string] | undefined> {
  const parsed = await answer(...args);
  return parsed && [parsed.options.get(53)![0]!, parsed.yiaddr];
}

/** Discovers, requests, and answers the address. */
async function boot(mac: string, more: Partial<DhcpPacket> = {}): Promise<string | undefined> {
  const [, address] = (await ask(types.discover, mac, {}, more)) ?? [];
  if (address === undefined) return undefined;
  const [type] = (await ask(types.request, mac, { 50: address, 54: '127.0.0.1' }, more)) ?? [];
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

/** Option 82 as the far network's relay agent writes it. */
function port82(circuit: string, remote = ''): Partial<DhcpPacket> {
  const part = (code: number, text: string) =>
    Buffer.concat([Buffer.from([code, text.length]), Buffer.from(text, 'latin1')]);
  return { giaddr: far, options: new Map([[82, Buffer.concat([part(1, circuit), part(2, remote)])]]) };
}

describe('a network behind a relay agent', () => {
  test('has its own pool, router and lease time, and leases that outlive a restart', async () => {
    const offer = await answer(types.discover, a, {}, { giaddr: far });
    expect(offer).toMatchObject({ yiaddr: '127.0.8.100', giaddr: far });
    expect([...offer!.options.get(3)!, ...offer!.options.get(51)!]).toEqual([127, 0, 8, 1, 0, 0, 0, 60]);
    expect(await boot(a, { giaddr: far })).toBe('127.0.8.100');
    expect(await boot(a)).toBe('127.0.0.100');
    await server.close();
    await start();
    expect(await boot(b, { giaddr: far })).toBe('127.0.8.101');
    expect(await boot(a, { giaddr: far })).toBe('127.0.8.100');
  });

  test('renews with us without its relay agent', async () => {
    await boot(a, { giaddr: far });
    const client = await Peer.open('127.0.8.100', port + 1);
    client.send(packet(types.request, a, {}, { giaddr: none, ciaddr: '127.0.8.100' }), port);
    const got = await client.next();
    client.close();
    expect(parsePacket(got!.data)).toMatchObject({ yiaddr: '127.0.8.100', ciaddr: '127.0.8.100' });
  });

  test('keeps an address for a machine, and else for its port, which the log names', async () => {
    reservation = async (mac, network) => (mac === a && network.address === '127.0.8.0' ? '127.0.8.50' : undefined);
    expect(await boot(a, port82('ge-0/0/7'))).toBe('127.0.8.50');
    expect(await boot(a)).toBe('127.0.0.100');
    expect(await boot(b, port82('ge-0/0/7', 'leaf1'))).toBe('127.0.8.7');
    expect(await boot('52:54:00:00:00:0c', port82('x', '\u0000\u0001'))).toBe('127.0.8.8');
    expect(log.lines.slice(-2)).toEqual([
      ['info', 'DHCP', { mac: b, address: '127.0.8.7', file: '', relay: far, circuit: 'ge-0/0/7', remote: 'leaf1' }],
      [
        'info',
        'DHCP',
        { mac: '52:54:00:00:00:0c', address: '127.0.8.8', file: '', relay: far, circuit: 'x', remote: '0x0001' },
      ],
    ]);
  });

  test('10 an option 82 that goes past its end keeps no address, and is sent back as it came', async () => {
    const broken = Buffer.from([1, 8, ...Buffer.from('ge-0/0/7'), 2, 200, 65]);
    const offer = await answer(types.discover, b, {}, { giaddr: far, options: new Map([[82, broken]]) });
    expect(offer!.yiaddr).toBe('127.0.8.100');
    expect(offer!.options.get(82)).toEqual(broken);
  });
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

test('16 our own offer that comes back is let be, and taken for nobody else’s', async () => {
  const offer = await answer(types.discover, a);
  peer.send(encodePacket({ ...offer!, giaddr: none }), port);
  expect(await answer(types.inform, b, {}, { ciaddr: '127.0.0.50' })).toMatchObject({ mac: b });
  expect(log.lines.filter(([level]) => level === 'warn')).toEqual([]);
});

test('our own question for other servers takes no address', async () => {
  expect(await ask(types.discover, '00:00:00:00:00:00')).toBeUndefined();
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
