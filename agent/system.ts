import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { networkInterfaces } from 'node:os';
import { posix } from 'node:path';
import { underRoot } from './root.ts';

/**
 * The agent's one door to the operating system: read-only, synchronous, no child processes.
 * Paths are absolute as the machine sees them ('/sys/class/net'). What is absent, or what the kernel or a driver
 * refuses to give (EACCES, EIO, EINVAL, ENODEV...), is `undefined` or an empty list; what must never be read
 * (not a regular file, too large) is thrown.
 */
export interface System {
  /** '' for the live machine, or the folder that holds a captured tree. */
  readonly root: string;
  /** Text of a regular file without the newlines and NULs at its end (device tree strings end with a NUL). */
  read(path: string): string | undefined;
  /** Content of a regular file. */
  readBytes(path: string): Buffer | undefined;
  /** Sorted names in a directory. */
  list(path: string): string[];
  /** Target of a symbolic link, as it is written. */
  link(path: string): string | undefined;
  /** Path with every link followed, inside the root. */
  real(path: string): string | undefined;
}

/** Largest file a section may ask for: /proc/cpuinfo of 4,096 CPUs is about 8 MiB. */
export const maxFileBytes = 16 * 1024 * 1024;

/**
 * A file that the kernel lacks, so that a capture has it, too: which interface has which IPv4 address, a line each
 * ('eth0 10.1.0.5/24'), by getifaddrs(3). Interfaces without a link are not in it.
 */
export const ADDRESSES = '/proc/net/ipv4_addresses';

/** Likewise: what systemd-networkd answered about its LLDP neighbours, in JSON, where it was asked (neighbors.ts). */
export const LLDP_NEIGHBORS = '/run/systemd/netif/lldp_neighbors.json';

/** Likewise: what the TPM answered, in JSON (tpm/ask.ts), where it could be asked. */
export const TPM_ANSWER = '/run/machinedb/tpm.json';

/** Likewise: what ipmitool printed, by question, in JSON (bmc/ask.ts), where it was run. */
export const IPMI_ANSWER = '/run/machinedb/ipmitool.json';
/** Likewise: the folder of what optional tools answered where they are installed (answers.ts). */
export const ANSWERS = '/run/machinedb-agent/answers';

// These say that this process is out of something, not that the machine lacks a file.
const ours = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

function orAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
    if (code === undefined || !/^E[A-Z0-9]+$/.test(code) || ours.has(code)) throw error;
    return undefined;
  }
}

/** A file's bytes as `System.read` gives them. */
export function textOf(bytes: Buffer | undefined): string | undefined {
  return bytes?.toString('utf8').replace(/[\n\0]+$/, '');
}

/**
 * Opens the door.
 * @param root '' for this machine, or the folder of an unpacked capture; no link leads out of it
 */
export function openSystem(root = ''): System {
  const base = root.replace(/\/+$/, '');
  // Thousands of files of sysfs lie in a few hundred folders; a captured sysfs does not change.
  const folders = new Map<string, string>();
  const folderOf = (path: string): string | undefined => {
    const known = folders.get(path);
    if (known !== undefined || path === '/') return known ?? path;
    const above = folderOf(posix.dirname(path));
    if (above === undefined) return undefined;
    const place = underRoot(base, posix.basename(path), 'follow', undefined, above)?.slice(base.length);
    if (place !== undefined) folders.set(path, place);
    return place;
  };
  const within = (path: string, last: 'follow' | 'link') => {
    if (!path.startsWith('/sys/') || path.includes('/../')) return underRoot(base, path, last);
    const folder = folderOf(posix.dirname(path));
    return folder === undefined ? undefined : underRoot(base, posix.basename(path), last, undefined, folder);
  };
  const at = (path: string, last?: 'link') =>
    base === '' ? path : orAbsent(() => within(path.replace(/\/+$/, ''), last ?? 'follow'));
  /** Where a file is that is to be read, and what it is; one of a captured sysfs is looked at once. */
  const found = (path: string): Found | undefined => {
    if (base === '' || !path.startsWith('/sys/') || /\/\.{0,2}(\/|$)/.test(path)) return stand(at(path));
    const folder = folderOf(posix.dirname(path));
    if (folder === undefined) return undefined;
    const place = `${base}${folder}/${posix.basename(path)}`;
    const stat = lstatSync(place, { throwIfNoEntry: false });
    return stat?.isSymbolicLink() ? stand(at(path)) : stat && { place, stat };
  };
  const bytes = (path: string) => {
    if (base === '' && path === ADDRESSES) return Buffer.from(liveAddresses());
    const file = orAbsent(() => found(path));
    return file && readRegular(file, path);
  };
  return {
    root: base,
    readBytes: bytes,
    read: (path) =>
      bytes(path)
        ?.toString('utf8')
        .replace(/[\n\0]+$/, ''),
    list: (path) => {
      const place = at(path);
      return place === undefined ? [] : (orAbsent(() => readdirSync(place)) ?? []).sort();
    },
    link: (path) => {
      const place = at(path, 'link');
      return place === undefined ? undefined : orAbsent(() => readlinkSync(place));
    },
    real: (path) => (base === '' ? orAbsent(() => realpathSync.native(path)) : at(path)?.slice(base.length)),
  };
}

function liveAddresses(): string {
  const lines = Object.entries(networkInterfaces()).flatMap(([label, addresses = []]) =>
    // An address with a label of its own (eth0:1) is its interface's.
    addresses.flatMap(({ family, cidr }) =>
      family === 'IPv4' && cidr !== null ? [`${label.split(':')[0]} ${cidr}\n`] : [],
    ),
  );
  return lines.sort().join('');
}

type Stats = NonNullable<ReturnType<typeof lstatSync>>;

interface Found {
  place: string;
  stat: Stats;
}

// stat comes first: opening a FIFO may block and opening a device may act, and an absent file costs no exception.
function stand(place: string | undefined): Found | undefined {
  const stat = place === undefined ? undefined : orAbsent(() => statSync(place, { throwIfNoEntry: false }));
  return place === undefined || stat === undefined ? undefined : { place, stat };
}

function readRegular({ place, stat }: Found, name: string): Buffer | undefined {
  if (stat.isDirectory()) return undefined;
  if (!stat.isFile()) throw notRegular(name);
  const file = orAbsent(() => openSync(place, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY));
  if (file === undefined) return undefined;
  try {
    // The file may have been exchanged between stat and open.
    if (!fstatSync(file).isFile()) throw notRegular(name);
    return orAbsent(() => readAll(file, name));
  } finally {
    closeSync(file);
  }
}

// Most files of sysfs are shorter, and are read thousands of times.
const scratch = Buffer.alloc(16 * 1024);

// The kernel gives an attribute of sysfs whole, and a table of it a page at a time (Documentation/filesystems/sysfs.rst).
const PAGE = 4096;

// st_size says 4096 (sysfs) or 0 (procfs), so the end of the file is what read() says it is.
function readAll(file: number, name: string): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  for (let into = scratch; ; into = Buffer.allocUnsafe(1024 * 1024)) {
    let filled = 0;
    while (filled < into.length) {
      const got = readSync(file, into, filled, into.length - filled, null);
      filled += got;
      total += got;
      if (got === 0 || (got < PAGE && name.startsWith('/sys/')))
        return Buffer.concat([...parts, into.subarray(0, filled)]);
      if (total > maxFileBytes) throw new Error(`${name} is larger than ${maxFileBytes} bytes: it was not read`);
    }
    parts.push(into === scratch ? Buffer.from(into) : into);
  }
}

function notRegular(name: string): Error {
  return new Error(`${name} is not a regular file: it was not read`);
}
