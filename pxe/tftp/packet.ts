/** Error codes (RFC 1350, section 5). */
export const errors = { undefined: 0, notFound: 1, denied: 2, illegal: 4, unknownTid: 5 } as const;

export interface ReadRequest {
  kind: 'read';
  file: string;
  mode: string;
  options: Map<string, string>;
}
export type TftpPacket =
  | ReadRequest
  | { kind: 'write' }
  | { kind: 'ack'; block: number }
  | { kind: 'error'; code: number }
  | undefined;

const MOST_OPTIONS = 16;
const MOST_BYTES = 1024;

/** Reads a packet (RFC 1350, 2347); undefined for what is none: too short, strings without an end, another opcode. */
export function parseTftp(data: Buffer): TftpPacket {
  if (data.length < 4) return undefined;
  switch (data.readUInt16BE(0)) {
    case 1:
      return readRequest(data);
    case 2:
      return { kind: 'write' };
    case 4:
      return { kind: 'ack', block: data.readUInt16BE(2) };
    case 5:
      return { kind: 'error', code: data.readUInt16BE(2) };
    default:
      return undefined;
  }
}

function readRequest(data: Buffer): ReadRequest | undefined {
  if (data.length > MOST_BYTES || data.at(-1) !== 0) return undefined;
  const [file, mode, ...rest] = data.toString('latin1', 2, data.length - 1).split('\0');
  if (file === undefined || file === '' || mode === undefined) return undefined;
  const options = new Map<string, string>();
  for (let i = 0; i + 1 < rest.length && options.size < MOST_OPTIONS; i += 2)
    options.set(rest[i]!.toLowerCase(), rest[i + 1]!);
  return { kind: 'read', file, mode: mode.toLowerCase(), options };
}

/** Bytes before the data of a data packet. */
export const DATA_HEADER = 4;

/** Writes the header of the data packet that a block of this number goes out in; of which the last 16 bits are on the wire. */
export function writeDataHeader(packet: Buffer, block: number): void {
  packet[0] = 0;
  packet[1] = 3;
  packet[2] = (block >> 8) & 255;
  packet[3] = block & 255;
}

export function errorPacket(code: number, message: string): Buffer {
  return Buffer.concat([Buffer.from([0, 5, 0, code]), Buffer.from(`${message}\0`, 'latin1')]);
}

export function optionsPacket(options: Record<string, number>): Buffer {
  const text = Object.entries(options).map(([name, value]) => `${name}\0${value}\0`);
  return Buffer.concat([Buffer.from([0, 6]), Buffer.from(text.join(''), 'latin1')]);
}

/** What a transfer goes by. `agreed`: what the OACK says; empty: there is none, as RFC 1350 alone knows it. */
export interface Terms {
  blockSize: number;
  window: number;
  timeoutMs: number;
  agreed: Record<string, number>;
}

/** Blocks in flight at most: a client that asks for more gets this. */
const MOST_WINDOW = 64;
/** Fits an Ethernet frame with its headers; a firmware that asks for more gets fragments it cannot join. */
const MOST_BLOCK = 1468;
const LEAST_BLOCK = 8;
const TIMEOUT_MS = 1000;
/** Seconds; with a longer one, a client that went away would hold its session for many minutes. */
const MOST_TIMEOUT = 10;

/** Agrees on a request's options (RFC 2348, 2349, 7440). What is out of range is clamped or ignored. */
export function agree({ options }: ReadRequest, size: number): Terms {
  const agreed: Record<string, number> = {};
  const asked = (name: string) => {
    const text = options.get(name);
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  const block = asked('blksize');
  if (block !== undefined && block >= LEAST_BLOCK) agreed.blksize = Math.min(block, MOST_BLOCK);
  const window = asked('windowsize');
  if (window !== undefined && window >= 1) agreed.windowsize = Math.min(window, MOST_WINDOW);
  const timeout = asked('timeout');
  if (timeout !== undefined && timeout >= 1 && timeout <= MOST_TIMEOUT) agreed.timeout = timeout;
  if (asked('tsize') !== undefined) agreed.tsize = size;
  return {
    blockSize: agreed.blksize ?? 512,
    window: agreed.windowsize ?? 1,
    timeoutMs: agreed.timeout === undefined ? TIMEOUT_MS : agreed.timeout * 1000,
    agreed,
  };
}
