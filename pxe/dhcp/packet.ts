/** A DHCPv4 packet (RFC 2131, section 2). Addresses are dotted; `options` holds the parts of an option joined (RFC 3396). */
export interface DhcpPacket {
  op: 1 | 2;
  hops: number;
  xid: number;
  secs: number;
  broadcast: boolean;
  ciaddr: string;
  yiaddr: string;
  siaddr: string;
  giaddr: string;
  /** aa:bb:cc:dd:ee:ff */
  mac: string;
  sname: string;
  file: string;
  options: Map<number, Buffer>;
}

const HEADER = 236;
const COOKIE = 0x63825363;
const ETHERNET = 1;
const PAD = 0;
const END = 255;
const OVERLOAD = 52;
/** Bytes that one option may have over all its parts. */
const OPTION_LIMIT = 1024;
const OPTIONS_LIMIT = 128;
/** The shortest packet that old BOOTP relays and clients take (RFC 1542, section 2.1). */
const SHORTEST = 300;

export const none = '0.0.0.0';

/** Reads a packet; undefined for what is none: too short, another cookie, hardware or operation. Reads the valid part. */
export function parsePacket(data: Buffer): DhcpPacket | undefined {
  if (data.length < HEADER + 4 || data.readUInt32BE(HEADER) !== COOKIE) return undefined;
  const [op, htype, hlen, hops] = data;
  if ((op !== 1 && op !== 2) || htype !== ETHERNET || hlen !== 6) return undefined;
  const options = new Map<number, Buffer>();
  if (!readOptions(data.subarray(HEADER + 4), options)) return undefined;
  const overload = options.get(OVERLOAD)?.[0] ?? 0;
  // `file` and `sname` may carry options, but not tell of a further overload (RFC 2132, section 9.3).
  if ((overload & 1) !== 0 && !readOptions(data.subarray(108, 236), options)) return undefined;
  if ((overload & 2) !== 0 && !readOptions(data.subarray(44, 108), options)) return undefined;
  if ((options.get(OVERLOAD)?.length ?? 1) !== 1) return undefined;
  return {
    op,
    hops: hops!,
    xid: data.readUInt32BE(4),
    secs: data.readUInt16BE(8),
    broadcast: (data.readUInt16BE(10) & 0x8000) !== 0,
    ciaddr: address(data, 12),
    yiaddr: address(data, 16),
    siaddr: address(data, 20),
    giaddr: address(data, 24),
    mac: [...data.subarray(28, 34)].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    sname: (overload & 2) === 0 ? text(data.subarray(44, 108)) : '',
    file: (overload & 1) === 0 ? text(data.subarray(108, 236)) : '',
    options,
  };
}

/** False when an option's length goes past the end; a missing END is no fault. */
function readOptions(area: Buffer, options: Map<number, Buffer>): boolean {
  for (let at = 0; at < area.length; ) {
    const code = area[at++]!;
    if (code === PAD) continue;
    if (code === END) return true;
    const length = area[at++];
    if (length === undefined || at + length > area.length) return false;
    const before = options.get(code);
    const joined =
      before === undefined ? area.subarray(at, at + length) : Buffer.concat([before, area.subarray(at, at + length)]);
    if (joined.length <= OPTION_LIMIT && (before !== undefined || options.size < OPTIONS_LIMIT))
      options.set(code, joined);
    at += length;
  }
  return true;
}

/** Writes a packet. An option that is longer than 255 bytes is written in parts (RFC 3396). */
export function encodePacket(packet: DhcpPacket): Buffer {
  const header = Buffer.alloc(HEADER + 4);
  header.set([packet.op, ETHERNET, 6, packet.hops]);
  header.writeUInt32BE(packet.xid, 4);
  header.writeUInt16BE(packet.secs, 8);
  header.writeUInt16BE(packet.broadcast ? 0x8000 : 0, 10);
  [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr].forEach(
    (ip, i) => void header.set(ipBytes(ip), 12 + 4 * i),
  );
  header.set(
    packet.mac.split(':').map((byte) => Number.parseInt(byte, 16)),
    28,
  );
  header.write(packet.sname.slice(0, 63), 44, 'latin1');
  header.write(packet.file.slice(0, 127), 108, 'latin1');
  header.writeUInt32BE(COOKIE, HEADER);
  const parts = [...packet.options].flatMap(([code, value]) => {
    const pieces = Math.max(1, Math.ceil(value.length / 255));
    return Array.from({ length: pieces }, (_, i) => {
      const piece = value.subarray(i * 255, (i + 1) * 255);
      return Buffer.concat([Buffer.from([code, piece.length]), piece]);
    });
  });
  const whole = Buffer.concat([header, ...parts, Buffer.from([END])]);
  return whole.length >= SHORTEST ? whole : Buffer.concat([whole, Buffer.alloc(SHORTEST - whole.length)]);
}

/** The four bytes of a dotted address. */
export function ipBytes(ip: string): Buffer {
  return Buffer.from(ip.split('.').map(Number));
}

function address(data: Buffer, at: number): string {
  return [...data.subarray(at, at + 4)].join('.');
}

function text(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString('latin1', 0, end < 0 ? data.length : end);
}
