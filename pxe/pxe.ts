import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { BootAnswer, BootRequest } from '../shared/boot.ts';
import type { Loader } from './dhcp/boot-file.ts';
import { serveDhcp } from './dhcp/serve.ts';
import type { RelayedSubnet } from './dhcp/subnets.ts';
import { Files, type Origin } from './http/files.ts';
import { type BootHttp, IDLE_MS, startBootHttp } from './http/server.ts';
import { putLoaders } from './loaders.ts';
import { rackOf } from './rack.ts';
import { startAdvertisements } from './router-advertisements.ts';
import { grubAnswers } from './tftp/answers.ts';
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
  /** aa:bb:cc:dd:ee:ff */
  mac: string;
}

export interface PxeOptions {
  interface: Interface;
  /** full: we give the addresses; proxy: another server does, and we only tell what to boot (ProxyDHCP). */
  dhcp?: 'full' | 'proxy';
  /** Addresses for machines without one of their own; the upper half of the interface's network when undefined. */
  pool?: { first: string; last: string } | undefined;
  /** Networks behind relay agents. */
  subnets?: readonly RelayedSubnet[];
  /** Router advertisements on the interface; undefined: none are sent. */
  advertise?: { prefix: string; dns: readonly string[] } | undefined;
  router?: string | undefined;
  dns?: string[];
  leaseSeconds: number;
  /** Keeps leases and loaders. */
  directory: string;
  /** Folder of the images' files, each named by its SHA-256. */
  files: string;
  /** What UEFI machines start; iPXE when nothing is said. */
  loader?: Loader;
  /** Where missing or damaged files are had; undefined: nowhere. */
  origin?: Origin;
  /** Folder of iPXE's loaders; Debian's package ipxe. */
  loaders?: string;
  httpPort: number;
  /** Whether a signed manifest names a file by this SHA-256; throws when that cannot be known now. */
  isKnown: (sha256: string) => Promise<boolean>;
  /** http://HOST:PORT of an nginx that stands before HTTP, which listens on loopback then; undefined: there is none. */
  nginx?: string | undefined;
  dhcpPort?: number;
  clientPort?: number;
  bootPort?: number;
  tftpPort?: number;
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

/** Starts the boot service of one network: DHCP, TFTP and HTTP. Throws when a port is taken or a loader is missing. */
export async function startPxe(options: PxeOptions): Promise<Pxe> {
  const { directory, log } = options;
  const { address } = options.interface;
  const root = join(directory, 'tftp');
  const loader = options.loader ?? 'ipxe';
  putLoaders({ loader, folder: options.loaders ?? '/usr/lib/ipxe' }, root);
  const files = new Files({
    directory: options.files,
    isKnown: options.isKnown,
    byNginx: options.nginx !== undefined,
    patienceMs: IDLE_MS,
    origin: options.origin,
  });
  const rackOfAsker = (asker: string) => rackOf(asker, options.interface);
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const http: BootHttp = await startBootHttp({
      address: options.nginx === undefined ? address : '127.0.0.1',
      port: options.httpPort,
      files,
      loaders: root,
      nginx: options.nginx,
      rackOf: rackOfAsker,
      decide: options.decide,
      arguments: options.arguments,
      log,
      random: options.random,
    });
    closing.push(http.close);
    const other = grubAnswers({
      server: address,
      files,
      decide: options.decide,
      random: options.random,
      arguments: () => options.arguments(http.url),
      log,
    });
    const tftp = await startTftp({
      ...{ address, port: options.tftpPort ?? 69, root, rackOf: rackOfAsker, log },
      ...(loader === 'shim' ? { other } : {}),
    });
    closing.push(tftp.close);
    const dhcp = await serveDhcp(options, http.url);
    closing.push(dhcp.close);
    if (options.advertise !== undefined) {
      const { close: end } = await startAdvertisements({
        ...options.advertise,
        interface: options.interface.name,
        log,
      });
      closing.push(end);
    }
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
    return { name, address: found.address, prefixLength: Number(found.cidr?.split('/')[1] ?? 24), mac: found.mac };
  const known = Object.keys(all).filter((other) => other !== 'lo');
  throw new Error(
    all[name] === undefined
      ? `there is no interface ${name} that is up: this machine has ${known.join(', ') || 'none'}`
      : `interface ${name} has no IPv4 address: give it the boot service's address first`,
  );
}
