import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { fromNumber, toNumber } from './ipv4.ts';

export interface Lease {
  address: string;
  /** Milliseconds since 1970. */
  until: number;
  /** As the client calls itself; shown, never used. */
  hostname?: string | undefined;
}

export interface LeaseOptions {
  /** File that keeps them over a restart. */
  file: string;
  pool: { first: string; last: string };
  leaseSeconds: number;
  /** Milliseconds since 1970. */
  now: () => number;
  /** New machines a second that get an address; known ones always do. */
  newPerSecond?: number;
}

/** How long an offer that nobody took is kept for its client, and a declined address is left alone. */
const OFFER_MS = 60_000;
const DECLINED_MS = 600_000;
const BURST_SECONDS = 4;

/** Which machine has which address of the pool. A lease that was acknowledged survives a restart. */
export class Leases {
  readonly #options: LeaseOptions;
  readonly #first: number;
  readonly #last: number;
  readonly #byMac: Map<string, Lease>;
  readonly #byAddress = new Map<string, string>();
  #tokens: number;
  #filled: number;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#first = toNumber(options.pool.first);
    this.#last = toNumber(options.pool.last);
    this.#byMac = read(options.file);
    for (const [mac, { address }] of this.#byMac) this.#byAddress.set(address, mac);
    this.#filled = options.now();
    this.#tokens = this.#rate * BURST_SECONDS;
  }

  get #rate(): number {
    return this.#options.newPerSecond ?? 50;
  }

  /** The address for a machine: the one it has, the one it asks for if that is free, else a free one. Undefined: none is. */
  offer(mac: string, requested: string | undefined): string | undefined {
    const { now } = this.#options;
    const had = this.#byMac.get(mac);
    if (had !== undefined && this.#inPool(had.address)) return had.address;
    if (!this.#take()) return undefined;
    const address = requested !== undefined && this.#isFree(requested) ? requested : this.#free();
    if (address !== undefined) this.#set(mac, { address, until: now() + OFFER_MS });
    return address;
  }

  /** The address that a machine may go on with; undefined: it has none of ours. */
  held(mac: string): string | undefined {
    return this.#byMac.get(mac)?.address;
  }

  /** Gives the address for the whole time, durably. */
  acknowledge(mac: string, hostname: string | undefined): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.#set(mac, {
      address: lease.address,
      until: this.#options.now() + this.#options.leaseSeconds * 1000,
      hostname,
    });
    this.#write();
  }

  release(mac: string): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.#byMac.delete(mac);
    this.#byAddress.delete(lease.address);
    this.#write();
  }

  /** Somebody else uses the address: it is given to nobody for a while. */
  decline(mac: string): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.release(mac);
    this.#set(`declined ${lease.address}`, { address: lease.address, until: this.#options.now() + DECLINED_MS });
  }

  /** All that are held now, by MAC. */
  list(): Record<string, Lease> {
    const now = this.#options.now();
    return Object.fromEntries([...this.#byMac].filter(([, { until }]) => until > now));
  }

  #inPool(address: string): boolean {
    const number = toNumber(address);
    return number >= this.#first && number <= this.#last;
  }

  #isFree(address: string): boolean {
    const owner = this.#byAddress.get(address);
    return this.#inPool(address) && (owner === undefined || this.#byMac.get(owner)!.until < this.#options.now());
  }

  #free(): string | undefined {
    for (let number = this.#first; number <= this.#last; number++) {
      const address = fromNumber(number);
      if (this.#isFree(address)) return address;
    }
    return undefined;
  }

  #set(mac: string, lease: Lease): void {
    const owner = this.#byAddress.get(lease.address);
    if (owner !== undefined && owner !== mac) this.#byMac.delete(owner);
    this.#byMac.set(mac, lease);
    this.#byAddress.set(lease.address, mac);
  }

  /** A token for a machine that is new: a flood of invented MACs must not use up the pool in an instant. */
  #take(): boolean {
    const now = this.#options.now();
    const since = Math.max(0, now - this.#filled) / 1000;
    this.#tokens = Math.min(this.#rate * BURST_SECONDS, this.#tokens + since * this.#rate);
    this.#filled = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #write(): void {
    const draft = `${this.#options.file}.new`;
    const fd = openSync(draft, 'w', 0o644);
    writeSync(fd, JSON.stringify(this.list()));
    fsyncSync(fd);
    closeSync(fd);
    renameSync(draft, this.#options.file);
  }
}

function read(file: string): Map<string, Lease> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Lease>));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new Error(
      `${file} holds no leases (${(error as Error).message}): remove it, and machines get addresses anew`,
    );
  }
}
