import { canonicalIp } from '../../shared/ip.ts';
import type { Lldp } from '../../shared/sections/lldp.ts';
import { keyed } from './keyed.ts';

/** A neighbour as its frame tells it; texts have at most 255 bytes and no control characters. */
export type LldpNeighbor = Lldp[string][string];

/** By number (IEEE 802.1AB, 8.5.2.2 and 8.5.3.2). */
const chassisSubtypes = [
  ...[undefined, 'chassis_component', 'interface_alias', 'port_component', 'mac', 'network_address'],
  ...['interface_name', 'local'],
];
const portSubtypes = [
  ...[undefined, 'interface_alias', 'port_component', 'mac', 'network_address', 'interface_name'],
  ...['agent_circuit_id', 'local'],
];

/** A jumbo frame that names every VLAN of a trunk has fewer. */
const MOST_TLVS = 1024;
const MOST_FRAMES = 1024;
const MOST_VLANS = 128;
const MOST_ADDRESSES = 8;

/**
 * The Ethernet frames of a file of systemd-networkd (/run/systemd/netif/lldp/INDEX): each after its length, 64 bits, the lowest
 * byte first. What is cut off, and what is past the first 1,024 frames, is left out.
 */
export function savedFrames(file: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 8 <= file.length && frames.length < MOST_FRAMES; ) {
    const length = file.readBigUInt64LE(at);
    at += 8;
    if (length > BigInt(file.length - at)) break;
    frames.push(file.subarray(at, at + Number(length)));
    at += Number(length);
  }
  return frames;
}

/**
 * The neighbour that sent an LLDP frame. Undefined for what IEEE 802.1AB, 9.2.7.7 has a receiver discard: a frame cut short,
 * without or with two of a mandatory TLV, and for one that says goodbye (time to live 0).
 */
export function parseLldpFrame(frame: Buffer): LldpNeighbor | undefined {
  if (frame.length < 14 || frame.readUInt16BE(12) !== 0x88cc) return undefined;
  const tlvs = tlvsOf(frame.subarray(14));
  if (tlvs === undefined) return undefined;
  const all = (type: number) => tlvs.filter((tlv) => tlv.type === type).map(({ value }) => value);
  const [[chassis, ...chassisMore], [port, ...portMore], [ttl]] = [all(1), all(2), all(3)];
  if (chassis === undefined || port === undefined || ttl === undefined) return undefined;
  if (chassisMore.length > 0 || portMore.length > 0 || ttl.length < 2 || ttl.readUInt16BE(0) === 0) return undefined;
  if (chassis.length < 2 || port.length < 2) return undefined;
  const [description, name] = [all(4)[0], all(5)[0]];
  return {
    ...parseLldpIds(chassis, port),
    system_name: lldpText(name),
    port_description: lldpText(description),
    management_addresses: addressesOf(all(8)),
    ...vlansOf(all(127)),
  };
}

/** Both ids of a neighbour, from their bytes with the subtype before them. */
export function parseLldpIds(chassis: Buffer, port: Buffer) {
  const chassisSubtype = chassisSubtypes[chassis[0]!];
  const portSubtype = portSubtypes[port[0]!];
  return {
    chassis_id: idOf(chassisSubtype, chassis.subarray(1, 256)),
    chassis_id_subtype: chassisSubtype,
    port_id: idOf(portSubtype, port.subarray(1, 256)),
    port_id_subtype: portSubtype,
  };
}

/** A name or a description; undefined for an empty one. */
export function lldpText(bytes: Buffer | undefined): string | undefined {
  const text = bytes
    ?.subarray(0, 255)
    .toString('utf8')
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  return text === '' ? undefined : text;
}

/** Type, length and value until the end (IEEE 802.1AB, 8.4); undefined where a value is longer than what is left. */
function tlvsOf(bytes: Buffer): { type: number; value: Buffer }[] | undefined {
  const tlvs: { type: number; value: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length || tlvs.length === MOST_TLVS) return undefined;
    const head = bytes.readUInt16BE(at);
    const [type, length] = [head >> 9, head & 0x1ff];
    // What follows the end is padding.
    if (type === 0) return tlvs;
    at += 2 + length;
    if (at > bytes.length) return undefined;
    tlvs.push({ type, value: bytes.subarray(at - length, at) });
  }
  return tlvs;
}

function idOf(subtype: string | undefined, id: Buffer): string {
  const known =
    subtype === 'mac' && id.length === 6
      ? id.toString('hex').replace(/..(?=.)/g, '$&:')
      : subtype === 'network_address'
        ? addressOf(id[0], id.subarray(1))
        : undefined;
  if (known !== undefined) return known;
  const text = lldpText(id);
  const plain = subtype !== undefined && subtype !== 'mac' && subtype !== 'network_address';
  return plain && text !== undefined && Buffer.from(text).equals(id) ? text : `0x${id.toString('hex')}`;
}

/** An address of IANA's address families 1 (IPv4) and 2 (IPv6). */
function addressOf(family: number | undefined, bytes: Buffer): string | undefined {
  if (family === 1 && bytes.length === 4) return bytes.join('.');
  if (family !== 2 || bytes.length !== 16) return undefined;
  return canonicalIp(bytes.toString('hex').replace(/.{4}(?=.)/g, '$&:'));
}

function addressesOf(tlvs: Buffer[]): Record<string, true> {
  const addresses = tlvs.flatMap((tlv) => addressOf(tlv[1], tlv.subarray(2, 1 + (tlv[0] ?? 0))) ?? []);
  return Object.fromEntries(addresses.slice(0, MOST_ADDRESSES).map((address) => [address, true]));
}

/** The organisationally specific TLVs of IEEE 802.1: port VLAN (subtype 1) and VLAN names (3). */
function vlansOf(tlvs: Buffer[]): Pick<LldpNeighbor, 'port_vlan' | 'vlans'> {
  const of = (subtype: number) =>
    tlvs
      .filter((tlv) => tlv.length >= 6 && tlv.readUInt32BE(0) === 0x0080c200 + subtype)
      .map((tlv) => ({ id: tlv.readUInt16BE(4), rest: tlv.subarray(6) }))
      // 0 is "none", and VLANs have 12 bits.
      .filter(({ id }) => id > 0 && id < 4095);
  const names = new Map(of(3).map(({ id, rest }) => [id, lldpText(rest.subarray(1, 1 + (rest[0] ?? 0)))]));
  const vlans = [...names].map(([id, name]) => ({ keys: [String(id)], value: { name } }));
  return { port_vlan: of(1)[0]?.id, vlans: keyed(vlans, MOST_VLANS) };
}
