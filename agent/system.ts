import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { orAbsent } from './absent.ts';
import { type CapturedTree, capturedTree } from './captured.ts';
import { copyOf, notRegular, readAny, readRegular, type Take, textIn } from './regular-file.ts';

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
  /** An observation: while `look` runs, what was seen of a captured machine may be taken for true. */
  during<T>(look: () => T): T;
}

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

/** A file's bytes as `System.read` gives them. */
export const textOf = (bytes: Buffer | undefined): string | undefined => bytes && textIn(bytes, bytes.length);

/**
 * Opens the door.
 * @param root '' for this machine, or the folder of an unpacked capture; no link leads out of it
 */
export function openSystem(root = ''): System {
  const base = root.replace(/\/+$/, '');
  return base === '' ? liveSystem() : capturedSystem(base);
}

function liveSystem(): System {
  const bytes = <T>(path: string, take: Take<T>): T | undefined => {
    if (path === ADDRESSES) {
      const text = Buffer.from(liveAddresses());
      return take(text, text.length);
    }
    // Thousands of files are asked for, and the kernel has no FIFOs and devices there.
    return path.startsWith('/sys/') ? readRegular(path, path, take) : readAny(path, path, take);
  };
  return {
    root: '',
    readBytes: (path) => bytes(path, copyOf),
    read: (path) => bytes(path, textIn),
    list: (path) => (orAbsent(() => readdirSync(path)) ?? []).sort(),
    link: (path) => orAbsent(() => readlinkSync(path)),
    real: (path) => orAbsent(() => realpathSync.native(path)),
    during: (look) => look(),
  };
}

function capturedSystem(root: string): System {
  let kept: CapturedTree | undefined;
  const tree = () => kept ?? capturedTree(root);
  const bytes = <T>(path: string, take: Take<T>): T | undefined => {
    const place = tree().find(path);
    if (place === undefined || place.kind === 'folder') return undefined;
    if (place.kind !== 'file') throw notRegular(path);
    return readRegular(root + place.path, path, take, false);
  };
  return {
    root,
    readBytes: (path) => bytes(path, copyOf),
    read: (path) => bytes(path, textIn),
    list: (path) => {
      const seen = tree();
      const place = seen.find(path);
      return place?.kind === 'folder' ? seen.names(place.path) : [];
    },
    link: (path) => {
      const seen = tree();
      const place = seen.find(path, 'link');
      return place?.kind === 'link' ? seen.target(place.path) : undefined;
    },
    real: (path) => tree().find(path)?.path,
    during: (look) => {
      const outer = kept;
      kept = capturedTree(root);
      try {
        return look();
      } finally {
        kept = outer;
      }
    },
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
