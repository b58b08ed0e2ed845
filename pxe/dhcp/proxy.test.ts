import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort, keptLog, mutate, Peer, seeded } from '../testing.ts';
import { Neighbours } from './neighbours.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { startProxyDhcp } from './proxy.ts';
import { types } from './reply.ts';
import type { DhcpServer } from './server.ts';

// Loopback has no broadcast: who asks on the DHCP port is a relay agent here.
const relay = '127.0.0.2';
const mac = '52:54:00:00:00:0a';

let server: DhcpServer;
let peer: Peer;
let ports: { dhcp: number; boot: number };
let log: ReturnType<typeof keptLog>;

beforeEach(async () => {
  log = keptLog();
  ports = { dhcp: await freePort(), boot: await freePort() };
  server = await startProxyDhcp({
    places: [{ address: '127.0.0.1', prefixLength: 24, relays: [relay] }],
    ...{ server: '127.0.0.1', mask: '255.255.255.0', bootUrl: 'http://127.0.0.1:4281' },
    neighbours: new Neighbours({ own: '127.0.0.1', expected: true, log, now: Date.now }),
    ownMac: '00:00:00:00:00:01',
    loader: 'ipxe',
    ...{ serverPort: ports.dhcp, clientPort: ports.dhcp + 1, bootPort: ports.boot, log },
  });
  peer = await Peer.open(relay, ports.dhcp);
});
afterEach(async () => {
  peer.close();
  await server.close();
});

function packet(type: number, more: Partial<DhcpPacket> = {}): Buffer {
  const zero = { ciaddr: none, yiaddr: none, siaddr: none, giaddr: relay, sname: '', file: '' };
  const options = new Map<number, Buffer>([
    [53, Buffer.from([type])],
    [60, Buffer.from('PXEClient:Arch:00007:UNDI:003016')],
    [93, Buffer.from([0, 7])],
    ...(more.options ?? []),
  ]);
  return encodePacket({ op: 1, hops: 1, xid: 9, secs: 0, broadcast: false, mac, ...zero, ...more, options });
}

test('a machine is offered its loader, and asks for it again on port 4011 from the address that it got', async () => {
  peer.send(packet(types.discover, { options: new Map([[82, Buffer.from([1, 3, 112, 111, 55])]]) }), ports.dhcp);
  const offer = parsePacket((await peer.next())!.data);
  expect(offer).toMatchObject({ yiaddr: none, siaddr: '127.0.0.1', file: 'snponly.efi', giaddr: relay });
  const machine = await Peer.open('127.0.0.50');
  machine.send(packet(types.request, { giaddr: none, ciaddr: '127.0.0.50' }), ports.boot);
  const got = await machine.next();
  machine.close();
  expect([got!.address, got!.port]).toEqual(['127.0.0.1', ports.boot]);
  expect(parsePacket(got!.data)).toMatchObject({ yiaddr: none, siaddr: '127.0.0.1', file: 'snponly.efi' });
  expect(parsePacket(got!.data)!.options.get(53)).toEqual(Buffer.from([types.ack]));
  expect(log.lines).toEqual([
    ['info', 'ProxyDHCP', { mac, file: 'snponly.efi', relay, circuit: 'po7' }],
    ['info', 'ProxyDHCP', { mac, file: 'snponly.efi' }],
  ]);
});

test('9 whoever asks from outside of our networks, or pretends to be a relay agent, is not answered', async () => {
  const stranger = await Peer.open('127.0.9.9');
  stranger.send(packet(types.request, { giaddr: none, ciaddr: '127.0.0.50' }), ports.boot);
  const pretender = await Peer.open('127.0.0.3', ports.dhcp);
  pretender.send(packet(types.discover, { giaddr: '127.0.0.3' }), ports.dhcp);
  // What comes after them is answered.
  peer.send(packet(types.discover), ports.dhcp);
  expect(await peer.next()).toBeDefined();
  expect([await stranger.next(100), await pretender.next(100)]).toEqual([undefined, undefined]);
  stranger.close();
  pretender.close();
  expect(log.lines.length).toBe(1);
});

test('15 the server that machines choose is expected, a second one is warned of, and none is fought', async () => {
  const choose = (ip: number[]) =>
    peer.send(packet(types.request, { options: new Map([[54, Buffer.from(ip)]]) }), ports.dhcp);
  choose([127, 0, 0, 9]);
  choose([127, 0, 0, 8]);
  choose([127, 0, 0, 9]);
  await expect.poll(() => log.lines.length, { timeout: 5000 }).toBe(2);
  expect(log.lines).toEqual([
    ['info', 'this DHCP server gives the addresses here', { server: '127.0.0.9', network: '127.0.0.1/24' }],
    [
      'warn',
      'a second DHCP server gives addresses in this network',
      { server: '127.0.0.8', network: '127.0.0.1/24', expected: '127.0.0.9', mac },
    ],
  ]);
  expect(await peer.next(100)).toBeUndefined();
});

test('1-7 16 after packets that are none, or our own, the next machine is served', async () => {
  const random = seeded(5);
  const base = packet(types.discover);
  for (let i = 0; i < 2000; i++) {
    for (const port of [ports.dhcp, ports.boot]) peer.send(mutate(base, random), port);
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  for (const port of [ports.dhcp, ports.boot]) for (let i = 0; i < 240; i += 7) peer.send(base.subarray(0, i), port);
  while ((await peer.next(300)) !== undefined);
  peer.send(packet(types.discover, { op: 2, xid: 66 }), ports.dhcp);
  peer.send(packet(types.discover, { xid: 77 }), ports.dhcp);
  expect(parsePacket((await peer.next(10_000))!.data)!.xid).toBe(77);
});
