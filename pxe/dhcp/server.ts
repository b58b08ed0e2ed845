import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Loader } from './boot-file.ts';
import type { Leases } from './leases.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { hostnameOf, reply, requestedBy, type Subnet, serverOf, typeOf, types } from './reply.ts';

export interface DhcpOptions {
  subnet: Subnet;
  leases: Leases;
  /** The address that is kept for a machine; undefined: it gets one of the pool. */
  reservation: (mac: string) => Promise<string | undefined>;
  bootUrl: string;
  loader?: Loader | undefined;
  relays: readonly string[];
  serverPort: number;
  clientPort: number;
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
  /** Milliseconds since 1970. */
  now: () => number;
}

export interface DhcpServer {
  close(): Promise<void>;
}

const WARN_EVERY_MS = 60_000;
/** Packets of known machines, and as many of unknown ones, that wait for their reservation; more are dropped and come again. */
const WAITING = 256;
const COMPETITORS = 100;

/**
 * Answers DHCP. What is broadcast leaves by the interface that has `subnet.server` only: Linux chooses the way of a limited
 * broadcast by the address that the socket is bound to (ip(7), fib lookup by source).
 */
export async function startDhcp(options: DhcpOptions): Promise<DhcpServer> {
  const { subnet, serverPort, log } = options;
  const sending = await open(subnet.server, serverPort);
  const listening = await open('0.0.0.0', serverPort).catch((error: Error) => {
    sending.close();
    throw error;
  });
  const waiting = { known: 0, unknown: 0 };
  const competitors = new Map<string, number>();
  const notice = (packet: DhcpPacket) => {
    const other = serverOf(packet);
    if (other === undefined || other === subnet.server) return;
    const now = options.now();
    for (const [server, at] of competitors) if (at <= now - WARN_EVERY_MS) competitors.delete(server);
    if (competitors.has(other) || competitors.size >= COMPETITORS) return;
    competitors.set(other, now);
    log.warn({ server: other, mac: packet.mac }, 'another DHCP server answers in this network: machines may follow it');
  };
  const handle = (data: Buffer) => {
    const packet = parsePacket(data);
    if (packet === undefined) return;
    notice(packet);
    // Nobody but a relay that is configured speaks for others, also when it asks for no answer.
    if (packet.op !== 1 || (packet.giaddr !== none && !options.relays.includes(packet.giaddr))) return;
    const kind = options.leases.held(packet.mac) === undefined ? 'unknown' : 'known';
    if (waiting[kind] >= WAITING) return;
    waiting[kind] += 1;
    answer(options, sending, packet)
      .catch((error: Error) => log.warn({ mac: packet.mac, cause: error.message }, 'a DHCP client was not answered'))
      .finally(() => {
        waiting[kind] -= 1;
      });
  };
  for (const socket of [listening, sending]) {
    socket.on('message', handle);
    socket.on('error', (error) => log.warn({ cause: error.message }, 'DHCP socket'));
  }
  return {
    close: async () => {
      await Promise.all([listening, sending].map((socket) => new Promise<void>((done) => socket.close(done))));
    },
  };
}

async function open(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const failed = once(socket, 'error').then(([error]) => {
    throw error;
  });
  socket.bind({ address, port });
  await Promise.race([once(socket, 'listening'), failed]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE')
      throw new Error(`UDP ${address}:${port} is taken: another DHCP server runs here; stop it, or do without --pxe`);
    if (error.code === 'EACCES') throw new Error(`UDP port ${port} needs root or CAP_NET_BIND_SERVICE`);
    throw error;
  });
  failed.catch(() => undefined);
  socket.setBroadcast(true);
  return socket;
}

async function answer(options: DhcpOptions, socket: Socket, packet: DhcpPacket): Promise<void> {
  const { subnet, leases, bootUrl, loader, relays, log } = options;
  const { mac } = packet;
  const type = typeOf(packet);
  const chosen = serverOf(packet);
  if (chosen !== undefined && chosen !== subnet.server) {
    // It took what another server offered: ours is free again.
    if (type === types.request) leases.release(mac);
    return;
  }
  if (type === types.release) return leases.release(mac);
  if (type === types.decline) {
    log.warn({ mac, address: requestedBy(packet) }, 'an address is in use by somebody else');
    return leases.decline(mac);
  }
  const known = chosen !== undefined || leases.held(mac) !== undefined;
  const address = type === types.inform ? undefined : await addressFor(options, packet, known);
  if (type === types.request && address === undefined && !known) return;
  const made = reply(packet, { subnet, address, bootUrl, loader, relays });
  if (made === undefined) return;
  if (typeOf(made.packet) === types.ack && made.packet.yiaddr !== none) leases.acknowledge(mac, hostnameOf(packet));
  const port = made.to.port === 'server' ? options.serverPort : options.clientPort;
  socket.send(encodePacket(made.packet), port, made.to.address);
  if (typeOf(made.packet) === types.ack) log.info({ mac, address: made.packet.yiaddr, file: made.packet.file }, 'DHCP');
}

/**
 * The address that a machine may have: kept for it, its lease, or a new one. A machine that asks for one that we do not know
 * of gets it when it is free, as when our memory was lost; else it is another server's client, and is let be.
 */
async function addressFor(
  { leases, reservation, log }: DhcpOptions,
  packet: DhcpPacket,
  known: boolean,
): Promise<string | undefined> {
  const { mac } = packet;
  const requested = requestedBy(packet);
  // A machine that runs on an address of the pool goes on with it until it boots again: a refusal would cut its connections.
  if (packet.ciaddr !== none && packet.ciaddr === leases.pooled(mac)) return packet.ciaddr;
  try {
    const reserved = await reservation(mac);
    if (reserved !== undefined && leases.reserve(mac, reserved)) return reserved;
    if (reserved !== undefined)
      log.warn(
        { mac, address: reserved },
        'an address that is kept for a machine is leased to another: until that ends it gets one of the pool',
      );
  } catch (error) {
    log.warn(
      { mac, cause: (error as Error).message },
      'no reservation could be had: a machine gets the address it had, or one of the pool',
    );
    const had = leases.held(mac);
    if (had !== undefined) return had;
  }
  if (typeOf(packet) === types.discover) return leases.offer(mac, requested);
  if (known || requested === undefined) return leases.pooled(mac);
  return leases.regain(mac, requested) ? requested : undefined;
}
