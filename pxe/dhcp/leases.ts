import { printable } from '../../shared/printable.ts';
import { fromNumber, toNumber } from './ipv4.ts';
import { type Lease, LeaseFile, readLeases } from './lease-file.ts';

export interface LeaseOptions {
  /** File that keeps them over a restart. */
  file: string;
  /** Undefined: only addresses that are kept for machines are given. */
  pool: { first: string; last: string } | undefined;
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

/** Which machine has which address: of the pool, or its own. No two machines have the same. A lease that was acknowledged survives a restart. */
export class Leases {
  readonly #options: LeaseOptions;
  readonly #first: number;
  readonly #last: number;
  readonly #file: LeaseFile;
  readonly #byMac: Map<string, Lease>;
  readonly #byAddress = new Map<string, string>();
  /** Addresses that somebody else uses, and until when they are left alone. */
  readonly #declined = new Map<string, number>();
  /** Where the next free address is looked for: those before it were taken. */
  #low: number;
  #tokens: number;
  #filled: number;

  constructor(options: LeaseOptions) {
    this.#options = options;
    // Without a pool its end lies before its start.
    const { first, last } = options.pool ?? { first: '0.0.0.1', last: '0.0.0.0' };
    this.#first = toNumber(first);
    this.#last = toNumber(last);
    this.#low = this.#first;
    this.#file = new LeaseFile(options.file);
    this.#byMac = new Map(Object.entries(readLeases(options.file)));
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
    if (had !== undefined && this.#inPool(had.address)) {
      this.#set(mac, { ...had, until: Math.max(had.until, now() + OFFER_MS) });
      return had.address;
    }
    if (!this.#take()) return undefined;
    const address = requested !== undefined && this.#isInPoolAndFree(requested) ? requested : this.#free();
    if (address !== undefined) this.#set(mac, { address, until: now() + OFFER_MS });
    return address;
  }

  /** Offers a machine the address that is kept for it; false: somebody else has that one now. */
  reserve(mac: string, address: string): boolean {
    const owner = this.#byAddress.get(address);
    if (owner !== mac && !this.#isFree(address)) return false;
    const had = owner === mac ? this.#byMac.get(mac)! : undefined;
    this.#set(mac, { ...had, address, until: Math.max(had?.until ?? 0, this.#options.now() + OFFER_MS) });
    return true;
  }

  /** Offers a machine the address that it says it had, if that is free and of the pool. */
  regain(mac: string, address: string): boolean {
    if (!this.#isInPoolAndFree(address) || !this.#take()) return false;
    this.#set(mac, { address, until: this.#options.now() + OFFER_MS });
    return true;
  }

  /** The address that a machine has, of the pool or its own; undefined: none of ours. */
  held(mac: string): string | undefined {
    return this.#byMac.get(mac)?.address;
  }

  /** The address that a machine has of the pool. */
  pooled(mac: string): string | undefined {
    const address = this.held(mac);
    return address !== undefined && this.#inPool(address) ? address : undefined;
  }

  /** Gives the address for the whole time; durably when `flushed()` says so. */
  acknowledge(mac: string, hostname: string | undefined): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.#set(mac, {
      address: lease.address,
      until: this.#options.now() + this.#options.leaseSeconds * 1000,
      ...(hostname === undefined ? {} : { hostname: printable(hostname) }),
    });
    this.#record(mac);
  }

  /** Waits until what was acknowledged survives a power cut. */
  flushed(): Promise<void> {
    return this.#file.flushed();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  release(mac: string): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.#byMac.delete(mac);
    this.#byAddress.delete(lease.address);
    if (this.#inPool(lease.address)) this.#low = Math.min(this.#low, toNumber(lease.address));
    this.#record(mac);
  }

  /** Somebody else uses the address: it is given to nobody for a while. */
  decline(mac: string): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined) return;
    this.release(mac);
    this.#declined.set(lease.address, this.#options.now() + DECLINED_MS);
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

  #isInPoolAndFree(address: string): boolean {
    return this.#inPool(address) && this.#isFree(address);
  }

  #isFree(address: string): boolean {
    const now = this.#options.now();
    const owner = this.#byAddress.get(address);
    if (owner !== undefined && this.#byMac.get(owner)!.until > now) return false;
    if ((this.#declined.get(address) ?? 0) > now) return false;
    this.#declined.delete(address);
    return true;
  }

  #free(): string | undefined {
    for (const start of new Set([this.#low, this.#first]))
      for (let number = start; number <= this.#last; number++) {
        const address = fromNumber(number);
        if (!this.#isFree(address)) continue;
        this.#low = number + 1;
        return address;
      }
    return undefined;
  }

  #set(mac: string, lease: Lease): void {
    const had = this.#byMac.get(mac);
    if (had !== undefined) this.#byAddress.delete(had.address);
    const owner = this.#byAddress.get(lease.address);
    if (owner !== undefined) this.#byMac.delete(owner);
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

  #record(mac: string): void {
    this.#file.record(mac, this.#byMac.get(mac) ?? null, () => this.list(), this.#byMac.size);
  }
}
