import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Leases } from './leases.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { hostnameOf, reply, requestedBy, type Subnet, serverOf, typeOf, types } from './reply.ts';

export interface DhcpOptions {
  subnet: Subnet;
  leases: Leases;
  /** The address that is kept for a machine; undefined: it gets one of the pool. */
  reservation: (mac: string) => Promise<string | undefined>;
  bootUrl: string;
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
/** Packets that wait for their reservation: more are dropped, and their clients ask again. */
const WAITING = 256;

/**
 * Answers DHCP. What is broadcast leaves by the interface that has `subnet.server` only: Linux chooses the way of a limited
 * broadcast by the address that the socket is bound to (ip(7), fib lookup by source).
 */
export async function startDhcp(options: DhcpOptions): Promise<DhcpServer> {
  const { subnet, serverPort, log } = options;
  const sending = await open(subnet.server, serverPort);
  const listening = await open('0.0.0.0', serverPort);
  let waiting = 0;
  const competitors = new Map<string, number>();
  const notice = (packet: DhcpPacket) => {
    const other = serverOf(packet);
    if (other === undefined || other === subnet.server) return;
    const now = options.now();
    if ((competitors.get(other) ?? 0) > now - WARN_EVERY_MS || competitors.size > 100) return;
    competitors.set(other, now);
    log.warn({ server: other, mac: packet.mac }, 'another DHCP server answers in this network: machines may follow it');
  };
  const handle = (data: Buffer) => {
    const packet = parsePacket(data);
    if (packet === undefined || waiting >= WAITING) return;
    notice(packet);
    if (packet.op !== 1) return;
    waiting += 1;
    answer(options, sending, packet)
      .catch((error: Error) => log.warn({ mac: packet.mac, cause: error.message }, 'a DHCP client was not answered'))
      .finally(() => {
        waiting -= 1;
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
  const { subnet, leases, bootUrl, relays, log } = options;
  const { mac } = packet;
  const type = typeOf(packet);
  if (type === types.release) return leases.release(mac);
  if (type === types.decline) {
    log.warn({ mac, address: requestedBy(packet) }, 'an address is in use by somebody else');
    return leases.decline(mac);
  }
  const chosen = serverOf(packet);
  if (type === types.request && chosen !== undefined && chosen !== subnet.server) return leases.release(mac);
  const reserved = await options.reservation(mac).catch(() => undefined);
  const pooled = () => (type === types.discover ? leases.offer(mac, requestedBy(packet)) : heldOrNew(leases, packet));
  const address = reserved ?? pooled();
  const made = reply(packet, { subnet, address, bootUrl, relays });
  if (made === undefined) return;
  if (typeOf(made.packet) === types.ack && made.packet.yiaddr !== none && reserved === undefined)
    leases.acknowledge(mac, hostnameOf(packet));
  const data = encodePacket(made.packet);
  const port = made.to.port === 'server' ? options.serverPort : options.clientPort;
  socket.send(data, port, made.to.address);
  if (typeOf(made.packet) === types.ack) log.info({ mac, address: made.packet.yiaddr, file: made.packet.file }, 'DHCP');
}

/** A client that had its address from us before our memory was lost may keep it. */
function heldOrNew(leases: Leases, packet: DhcpPacket): string | undefined {
  return leases.held(packet.mac) ?? leases.offer(packet.mac, requestedBy(packet));
}
