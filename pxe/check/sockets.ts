import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** A socket of this machine that waits for packets or connections. */
export interface OpenSocket {
  protocol: 'udp' | 'tcp';
  /** 0.0.0.0 when it takes what comes to any address. */
  address: string;
  port: number;
  inode: string;
}

const LISTEN = '0A';
/** A UDP socket that no peer is set for. */
const UNCONNECTED = '07';

/** The sockets of a table of /proc/net (proc(5)): udp, udp6, tcp or tcp6. */
export function parseSockets(table: string, protocol: OpenSocket['protocol']): OpenSocket[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const [digits = '', port = ''] = local.split(':');
      const address = addressOf(digits);
      if (address === undefined || state !== (protocol === 'tcp' ? LISTEN : UNCONNECTED)) return [];
      return [{ protocol, address, port: Number.parseInt(port, 16), inode }];
    });
}

/** A table's address: 32-bit words in this machine's byte order. Undefined: of IPv6 only. */
function addressOf(digits: string): string | undefined {
  if (/^0+$/.test(digits)) return '0.0.0.0';
  const mapped = digits.length === 8 ? digits : /^0{16}FFFF0000([0-9A-F]{8})$/.exec(digits)?.[1];
  const bytes = mapped?.match(/../g)?.map((byte) => Number.parseInt(byte, 16));
  return bytes?.reverse().join('.');
}

/** All sockets that wait on this machine (in this network namespace). */
export function openSocketsHere(): OpenSocket[] {
  return (['udp', 'tcp'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((family) => {
      try {
        return parseSockets(readFileSync(`/proc/net/${protocol}${family}`, 'utf8'), protocol);
      } catch {
        // A machine without IPv6 has no such table.
        return [];
      }
    }),
  );
}

/** The process that has a socket; undefined: another user's, which only root sees, or it ended. */
export function ownerOf(inode: string): { pid: number; name: string } | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const folder = join('/proc', pid, 'fd');
      if (readdirSync(folder).some((fd) => isSocket(join(folder, fd), inode)))
        return { pid: Number(pid), name: readFileSync(join('/proc', pid, 'comm'), 'utf8').trim() };
    } catch {
      // It ended, or is not ours to look at.
    }
  }
  return undefined;
}

function isSocket(path: string, inode: string): boolean {
  try {
    return readlinkSync(path) === `socket:[${inode}]`;
  } catch {
    return false;
  }
}
