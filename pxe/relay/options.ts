import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import type { Origin } from '../http/files.ts';
import type { Log } from '../pxe.ts';

export interface RelayOptions {
  /** https://CENTRE:PORT */
  upstream: URL;
  token: string;
  /** PEM of the centre's CAs, for the first time; later ones the centre tells. Undefined: plain, on loopback. */
  ca: string | undefined;
  /** The relay's own: known.json, queue.jsonl, tls.json, ca.pem, files/, wanted/. */
  directory: string;
  /** Where agents reach it. */
  address: string;
  port: number;
  /** Bytes of images at most that are kept; undefined: as many as the disk has. */
  cacheLimit: number | undefined;
  /** Bytes at most that wait for the centre. */
  queueLimit: number;
  /** Between two heartbeats while the centre is away, between two looks at the site, and at most between two tries; milliseconds. */
  heartbeatMs: number;
  syncMs: number;
  retryMs: number;
  log: Log;
  now: () => number;
  random: () => number;
  /** Starts the boot service with what the relay knows; answers where its scripts and files are. */
  startBoot: (boot: RelayBoot) => Promise<{ url: string; close(): Promise<void> }>;
}

/** What a boot service needs of the relay; see PxeOptions. */
export interface RelayBoot {
  decide: (request: BootRequest) => Promise<BootAnswer>;
  files: string;
  isKnown: (sha256: string) => Promise<boolean>;
  origin: Origin;
  arguments: (url: string) => string[];
}

export interface Relay {
  /** http://HOST:PORT of boot scripts and files. */
  bootUrl: string;
  /** https://HOST:PORT of the agents' doors; undefined: they open when the centre has given a certificate. */
  agentsUrl(): string | undefined;
  /** Resolves when the doors are open. */
  opened: Promise<void>;
  close(): Promise<void>;
}
