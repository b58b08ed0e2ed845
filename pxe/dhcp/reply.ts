import { bootFileOf, type Loader } from './boot-file.ts';
import { type DhcpPacket, ipBytes, none } from './packet.ts';
import { RELAY_AGENT_BYTES } from './relay-agent.ts';

/** Message types (RFC 2132, section 9.6). */
export const types = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

/** Option codes (RFC 2132; 93, 94, 97: RFC 4578; 82: RFC 3046; 175: iPXE). */
export const code = {
  mask: 1,
  router: 3,
  dns: 6,
  hostname: 12,
  vendor: 43,
  requested: 50,
  lease: 51,
  type: 53,
  serverId: 54,
  renewal: 58,
  rebinding: 59,
  vendorClass: 60,
  clientId: 61,
  tftpServer: 66,
  bootFile: 67,
  userClass: 77,
  relay: 82,
  arch: 93,
  uuid: 97,
  ipxe: 175,
} as const;

/** Type and 16 bytes (RFC 4578, section 2.3). */
const UUID_BYTES = 17;

/** What a subnet's clients are told. */
export interface Subnet {
  /** Our address in it. */
  server: string;
  mask: string;
  router?: string | undefined;
  dns: string[];
  leaseSeconds: number;
}

export interface ReplyContext {
  subnet: Subnet;
  /** Address that the client may have; undefined: none is free, or it is not ours to give. */
  address: string | undefined;
  /** http://HOST:PORT of the boot service. */
  bootUrl: string;
  /** What UEFI machines start; iPXE when nothing is said. */
  loader?: Loader | undefined;
  /** Relay agents that may ask for their clients. */
  relays: readonly string[];
}

export interface Reply {
  packet: DhcpPacket;
  /** Where it goes: to the relay, to an address that the client has, or to everybody. */
  to: { address: string; port: 'server' | 'client' };
}

/** Number of a message's type; undefined: it has none, so it is plain BOOTP. */
export function typeOf(packet: DhcpPacket): number | undefined {
  return packet.options.get(code.type)?.[0];
}

/** The address a client asks for: in an option, or the one it has. */
export function requestedBy(packet: DhcpPacket): string | undefined {
  const option = packet.options.get(code.requested);
  if (option?.length === 4) return [...option].join('.');
  return packet.ciaddr === none ? undefined : packet.ciaddr;
}

/** The server a client has chosen, or speaks for; undefined: any. */
export function serverOf(packet: DhcpPacket): string | undefined {
  const option = packet.options.get(code.serverId);
  return option?.length === 4 ? [...option].join('.') : undefined;
}

/** Client architecture (RFC 4578, section 2.1); undefined: it does not say, so it does not boot. */
export function archOf(packet: DhcpPacket): number | undefined {
  const option = packet.options.get(code.arch);
  return option !== undefined && option.length >= 2 ? option.readUInt16BE(0) : undefined;
}

/** The name a client gives itself, as it came: latin-1, to be shown escaped and used for nothing. */
export function hostnameOf(packet: DhcpPacket): string | undefined {
  return packet.options.get(code.hostname)?.toString('latin1').slice(0, 255);
}

/**
 * What a client's packet is answered with; undefined: nothing. Pure: leases are the caller's.
 * Our own answers that come back, packets for another server and relays that nobody configured get silence.
 */
export function reply(packet: DhcpPacket, context: ReplyContext): Reply | undefined {
  if (packet.op !== 1) return undefined;
  if (packet.giaddr !== none && !context.relays.includes(packet.giaddr)) return undefined;
  const { subnet, address } = context;
  const chosen = serverOf(packet);
  switch (typeOf(packet)) {
    case types.discover:
      return address === undefined ? undefined : answer(packet, context, types.offer, address);
    case types.request: {
      if (chosen !== undefined && chosen !== subnet.server) return undefined;
      if (address !== undefined && address === requestedBy(packet)) return answer(packet, context, types.ack, address);
      return refuse(packet, subnet);
    }
    case types.inform:
      return isInside(packet, subnet) ? answer(packet, context, types.ack, none) : undefined;
    default:
      return undefined;
  }
}

function answer(packet: DhcpPacket, context: ReplyContext, type: number, yiaddr: string): Reply {
  const { subnet } = context;
  const seconds = (value: number) => {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32BE(value);
    return buffer;
  };
  const options = new Map<number, Buffer>([
    [code.type, Buffer.from([type])],
    [code.serverId, ipBytes(subnet.server)],
    [code.mask, ipBytes(subnet.mask)],
  ]);
  if (yiaddr !== none) {
    options.set(code.lease, seconds(subnet.leaseSeconds));
    options.set(code.renewal, seconds(Math.floor(subnet.leaseSeconds / 2)));
    options.set(code.rebinding, seconds(Math.floor((subnet.leaseSeconds * 7) / 8)));
  }
  if (subnet.router !== undefined) options.set(code.router, ipBytes(subnet.router));
  if (subnet.dns.length > 0) options.set(code.dns, Buffer.concat(subnet.dns.map(ipBytes)));
  const file = bootOptions(packet, context, options);
  return answerWith(packet, options, {
    ciaddr: type === types.ack ? packet.ciaddr : none,
    yiaddr,
    siaddr: file === '' ? none : subnet.server,
    file,
  });
}

function refuse(packet: DhcpPacket, subnet: Subnet): Reply {
  const options = new Map<number, Buffer>([
    [code.type, Buffer.from([types.nak])],
    [code.serverId, ipBytes(subnet.server)],
  ]);
  // A client that is told no has no address that it may use: it is told by broadcast, also by its relay (RFC 2131, 4.3.2).
  return answerWith(packet, options, { broadcast: packet.broadcast || packet.giaddr !== none });
}

/**
 * The end of every answer: the client's UUID goes back to it (RFC 4578, section 2.3), and so does its relay agent's own option; of
 * the fields that the client filled in, those that are not given are empty (RFC 2131, table 3).
 */
export function answerWith(
  packet: DhcpPacket,
  options: Map<number, Buffer>,
  given: Partial<Pick<DhcpPacket, 'ciaddr' | 'yiaddr' | 'siaddr' | 'file' | 'broadcast'>>,
): Reply {
  const uuid = packet.options.get(code.uuid);
  if (uuid?.length === UUID_BYTES) options.set(code.uuid, uuid);
  echoRelay(packet, options);
  const empty = { hops: 0, secs: 0, ciaddr: none, yiaddr: none, siaddr: none, sname: '', file: '' };
  const sent: DhcpPacket = { ...packet, op: 2, ...empty, ...given, options };
  return { packet: sent, to: destination(sent) };
}

/** Sends a relay agent's own option back to it, unless it is too long for an answer (RFC 3046, section 2.2). */
function echoRelay(packet: DhcpPacket, options: Map<number, Buffer>): void {
  const relay = packet.options.get(code.relay);
  if (relay !== undefined && relay.length <= RELAY_AGENT_BYTES) options.set(code.relay, relay);
}

/** Only an address that is ours to give, or in our network, is sent to: whoever forges another gets nothing from us. */
function destination({ giaddr, ciaddr, yiaddr }: DhcpPacket): Reply['to'] {
  if (giaddr !== none) return { address: giaddr, port: 'server' };
  const known = ciaddr !== none && (yiaddr === none || yiaddr === ciaddr);
  return { address: known ? ciaddr : '255.255.255.255', port: 'client' };
}

function isInside({ ciaddr, giaddr }: DhcpPacket, { server, mask }: Subnet): boolean {
  const [bits, own] = [ipBytes(mask), ipBytes(server)];
  const inside = ipBytes(ciaddr).every((byte, i) => (byte & bits[i]!) === (own[i]! & bits[i]!));
  return inside || ciaddr === none || giaddr !== none;
}

/** Adds what a network boot needs to the options. Answers the boot file, '' when there is none. */
export function bootOptions(
  packet: DhcpPacket,
  { subnet, bootUrl, loader = 'ipxe' }: ReplyContext,
  options: Map<number, Buffer>,
): string {
  const asks = {
    arch: archOf(packet),
    vendorClass: packet.options.get(code.vendorClass)?.toString('latin1'),
    isIpxe: packet.options.get(code.userClass)?.includes('iPXE') === true,
  };
  const boot = bootFileOf(asks, { loader, bootUrl });
  if (boot === undefined) return '';
  // no-pxedhcp: it must not wait for a ProxyDHCP server.
  if (boot.client === 'iPXE') options.set(code.ipxe, Buffer.from([0xb0, 1, 1]));
  // Firmware takes an answer by the class that it has named (PXE 2.1, section 2.2.1; UEFI 2.10, section 24.7.2).
  else options.set(code.vendorClass, Buffer.from(boot.client));
  // PXE_DISCOVERY_CONTROL 8: the boot file of this answer is taken, no boot server is looked for (PXE 2.1, section 2.2.3).
  if (boot.client === 'PXEClient') options.set(code.vendor, Buffer.from([6, 1, 8, 255]));
  return bootFile(boot.file, subnet, options);
}

function bootFile(name: string, subnet: Subnet, options: Map<number, Buffer>): string {
  options.set(code.tftpServer, Buffer.from(subnet.server));
  options.set(code.bootFile, Buffer.from(name));
  return name;
}
