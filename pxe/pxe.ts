import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { BootAnswer, BootRequest } from '../shared/boot.ts';
import { fromNumber, maskOf, networkOf, toNumber } from './dhcp/ipv4.ts';
import { Leases } from './dhcp/leases.ts';
import { startDhcp } from './dhcp/server.ts';
import { type BootHttp, startBootHttp } from './http/server.ts';
import { rackOf } from './rack.ts';
import { startTftp } from './tftp/server.ts';

export interface Log {
  info: (data: object, message: string) => void;
  warn: (data: object, message: string) => void;
}

/** An interface of this machine and its IPv4 address. */
export interface Interface {
  name: string;
  address: string;
  prefixLength: number;
}

export interface PxeOptions {
  interface: Interface;
  /** Addresses for machines without one of their own. */
  pool: { first: string; last: string };
  router?: string | undefined;
  dns?: string[];
  leaseSeconds: number;
  /** Keeps leases and loaders. */
  directory: string;
  /** Folder of the images' files, each named by its SHA-256. */
  files: string;
  /** Folder of iPXE's loaders; Debian's package ipxe. */
  loaders?: string;
  httpPort: number;
  /** Whether a signed manifest names a file by this SHA-256; throws when that cannot be known now. */
  isKnown: (sha256: string) => Promise<boolean>;
  /** http://HOST:PORT of an nginx that stands before HTTP, which listens on loopback then; undefined: there is none. */
  nginx?: string | undefined;
  dhcpPort?: number;
  clientPort?: number;
  tftpPort?: number;
  relays?: readonly string[];
  /** How a machine boots that asks now. */
  decide: (request: BootRequest) => Promise<BootAnswer>;
  /** Words for the kernel of the discovery image; `url` is where the boot service is. */
  arguments: (url: string) => string[];
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
}

export interface Pxe {
  /** http://HOST:PORT of its files and scripts. */
  url: string;
  close(): Promise<void>;
}

const LOADERS = ['undionly.kpxe', 'snponly.efi', 'ipxe.efi'];

/** Starts the boot service of one network: DHCP, TFTP and HTTP. Throws when a port is taken or a loader is missing. */
export async function startPxe(options: PxeOptions): Promise<Pxe> {
  const { directory, log, now } = options;
  const { address, prefixLength } = options.interface;
  const root = join(directory, 'tftp');
  copyLoaders(options.loaders ?? '/usr/lib/ipxe', root);
  const rackOfAsker = (asker: string) => rackOf(asker, options.interface);
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const http: BootHttp = await startBootHttp({
      address: options.nginx === undefined ? address : '127.0.0.1',
      port: options.httpPort,
      files: options.files,
      isKnown: options.isKnown,
      nginx: options.nginx,
      rackOf: rackOfAsker,
      decide: options.decide,
      arguments: options.arguments,
      log,
      random: options.random,
    });
    closing.push(http.close);
    const tftp = await startTftp({ address, port: options.tftpPort ?? 69, root, rackOf: rackOfAsker, log });
    closing.push(tftp.close);
    const leases = new Leases({
      file: join(directory, 'leases.json'),
      pool: checkPool(options),
      leaseSeconds: options.leaseSeconds,
      now,
    });
    const dhcp = await startDhcp({
      subnet: {
        server: address,
        mask: maskOf(prefixLength),
        router: options.router,
        dns: options.dns ?? [],
        leaseSeconds: options.leaseSeconds,
      },
      leases,
      reservation: (mac) => reserved(options, mac),
      bootUrl: http.url,
      relays: options.relays ?? [],
      serverPort: options.dhcpPort ?? 67,
      clientPort: options.clientPort ?? 68,
      log,
      now,
    });
    closing.push(dhcp.close);
    return { url: http.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The IPv4 address of an interface. Throws when there is no such interface, or it has none. */
export function interfaceOf(name: string): Interface {
  const all = networkInterfaces();
  const found = all[name]?.find(({ family }) => family === 'IPv4');
  if (found !== undefined)
    return { name, address: found.address, prefixLength: Number(found.cidr?.split('/')[1] ?? 24) };
  const known = Object.keys(all).filter((other) => other !== 'lo');
  throw new Error(
    all[name] === undefined
      ? `there is no interface ${name} that is up: this machine has ${known.join(', ') || 'none'}`
      : `interface ${name} has no IPv4 address: give it the boot service's address first`,
  );
}

/** The upper half of a network, without its last address and our own: what is given out when no pool is set. */
export function defaultPool({ address, prefixLength }: Interface): { first: string; last: string } {
  const size = 2 ** (32 - prefixLength);
  const network = networkOf(address, prefixLength);
  const [first, last] = [network + size / 2, network + size - 2];
  const own = toNumber(address);
  return { first: fromNumber(own === first ? first + 1 : first), last: fromNumber(own === last ? last - 1 : last) };
}

function checkPool({ pool, interface: { address, prefixLength, name } }: PxeOptions): { first: string; last: string } {
  const [first, last, own] = [pool.first, pool.last, address].map(toNumber) as [number, number, number];
  const inside = [pool.first, pool.last].every(
    (end) => networkOf(end, prefixLength) === networkOf(address, prefixLength),
  );
  if (inside && first <= last && (own < first || own > last)) return pool;
  throw new Error(
    `the pool ${pool.first}-${pool.last} does not fit interface ${name} (${address}/${prefixLength}): it must lie in its network, in order, without its address`,
  );
}

/** The address that is wanted of the machine's card, if it lies in this network. */
async function reserved({ decide, interface: here }: PxeOptions, mac: string): Promise<string | undefined> {
  const { addresses = [] } = await decide({ mac });
  const network = networkOf(here.address, here.prefixLength);
  return addresses
    .map((cidr) => cidr.split('/')[0]!)
    .find((ip) => !ip.includes(':') && networkOf(ip, here.prefixLength) === network);
}

function copyLoaders(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const loader of LOADERS) {
    if (!existsSync(join(from, loader)))
      throw new Error(
        `${join(from, loader)} is missing: apt-get install ipxe, or set MACHINEDB_PXE_LOADERS to a folder that has it`,
      );
    copyFileSync(join(from, loader), join(to, loader));
  }
}
