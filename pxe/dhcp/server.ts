import type { Log } from '../pxe.ts';
import type { Loader } from './boot-file.ts';
import type { Network } from './ipv4.ts';
import type { Leases } from './leases.ts';
import type { Neighbours } from './neighbours.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { type Place, placeOf } from './place.ts';
import { relayAgentOf } from './relay-agent.ts';
import { hostnameOf, reply, requestedBy, type Subnet, serverOf, typeOf, types } from './reply.ts';
import { openSockets } from './sockets.ts';

/** An address that is kept for whatever machine is at a port, as its relay agent names it (see relayAgentOf). */
export interface PortReservation {
  circuit?: string | undefined;
  remote?: string | undefined;
  address: string;
}

/** A network that we give addresses in. */
export interface Served extends Place {
  subnet: Subnet;
  leases: Leases;
  ports: readonly PortReservation[];
}

export interface DhcpOptions {
  /** The interface's own network first. */
  places: readonly [Served, ...Served[]];
  /** The address in this network that is kept for a machine; undefined: it gets one of the pool. */
  reservation: (mac: string, network: Network) => Promise<string | undefined>;
  neighbours: Neighbours;
  /** MAC of the interface: what asks from there is our own question for other servers. */
  ownMac: string;
  bootUrl: string;
  loader: Loader;
  serverPort: number;
  clientPort: number;
  log: Log;
}

export interface DhcpServer {
  close(): Promise<void>;
}

/** Packets of known machines, and as many of unknown ones, that wait for their reservation; more are dropped and come again. */
const WAITING = 256;

/** Answers DHCP in the interface's own network, and in those whose relay agents ask. */
export async function startDhcp(options: DhcpOptions): Promise<DhcpServer> {
  const { places, neighbours, log } = options;
  const waiting = { known: 0, unknown: 0 };
  const handle = (data: Buffer, direct: boolean) => {
    const packet = parsePacket(data);
    if (packet === undefined || packet.mac === options.ownMac) return;
    // Nobody but a relay that is configured speaks for others, also when it asks for no answer.
    const place = placeOf(packet, places, direct);
    const server = serverOf(packet);
    if (server !== undefined && place !== undefined)
      neighbours.heard({ server, network: cidr(place), details: { mac: packet.mac } });
    if (packet.op !== 1 || place === undefined) return;
    const kind = place.leases.held(packet.mac) === undefined ? 'unknown' : 'known';
    if (waiting[kind] >= WAITING) return;
    waiting[kind] += 1;
    answer(options, send, packet, place)
      .catch((error: Error) => log.warn({ mac: packet.mac, cause: error.message }, 'a DHCP client was not answered'))
      .finally(() => {
        waiting[kind] -= 1;
      });
  };
  const { send, close } = await openSockets(places[0].subnet.server, options.serverPort, log, (data, _, direct) =>
    handle(data, direct),
  );
  return {
    close: async () => {
      await close();
      for (const { leases } of places) await leases.close();
    },
  };
}

/** A network as people write it. */
export function cidr({ address, prefixLength }: Network): string {
  return `${address}/${prefixLength}`;
}

/** What the log shows of how a packet came: the relay agent, and the port that it names. */
export function wayOf(packet: DhcpPacket): object {
  const { circuit, remote } = relayAgentOf(packet);
  return {
    ...(packet.giaddr === none ? {} : { relay: packet.giaddr }),
    ...(circuit === undefined ? {} : { circuit }),
    ...(remote === undefined ? {} : { remote }),
  };
}

async function answer(
  options: DhcpOptions,
  send: (data: Buffer, port: number, address: string) => void,
  packet: DhcpPacket,
  place: Served,
): Promise<void> {
  const { bootUrl, loader, log } = options;
  const { subnet, leases, relays } = place;
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
  const address = type === types.inform ? undefined : await addressFor(options, packet, place, known);
  if (type === types.request && address === undefined && !known) return;
  const made = reply(packet, { subnet, address, bootUrl, loader, relays });
  if (made === undefined) return;
  if (typeOf(made.packet) === types.ack && made.packet.yiaddr !== none) {
    leases.acknowledge(mac, hostnameOf(packet));
    await leases.flushed();
  }
  send(encodePacket(made.packet), made.to.port === 'server' ? options.serverPort : options.clientPort, made.to.address);
  if (typeOf(made.packet) === types.ack)
    log.info({ mac, address: made.packet.yiaddr, file: made.packet.file, ...wayOf(packet) }, 'DHCP');
}

/**
 * The address that a machine may have: kept for it or for its port, its lease, or a new one. A machine that asks for one that we do
 * not know of gets it when it is free, as when our memory was lost; else it is another server's client, and is let be.
 */
async function addressFor(
  { reservation, log }: DhcpOptions,
  packet: DhcpPacket,
  place: Served,
  known: boolean,
): Promise<string | undefined> {
  const { mac } = packet;
  const { leases } = place;
  const requested = requestedBy(packet);
  // A machine that runs on an address of the pool goes on with it until it boots again: a refusal would cut its connections.
  if (packet.ciaddr !== none && packet.ciaddr === leases.pooled(mac)) return packet.ciaddr;
  try {
    const kept = (await reservation(mac, place)) ?? keptForPort(packet, place);
    if (kept !== undefined && leases.reserve(mac, kept)) return kept;
    if (kept !== undefined)
      log.warn(
        { mac, address: kept },
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

/** A client may write option 82 itself: it counts only where a relay agent, which replaces or drops such, stands in between. */
function keptForPort(packet: DhcpPacket, { ports }: Served): string | undefined {
  if (packet.giaddr === none || ports.length === 0) return undefined;
  const { circuit, remote } = relayAgentOf(packet);
  return ports.find(
    (port) =>
      (port.circuit === undefined || port.circuit === circuit) && (port.remote === undefined || port.remote === remote),
  )?.address;
}
