import type { Log } from '../pxe.ts';

export interface NeighboursOptions {
  /** Our own address. */
  own: string;
  /** Whether another server is to give the addresses: then one is expected in each network, and a second one is told of. */
  expected: boolean;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** What was heard of another server. */
export interface Heard {
  /** Its address, as it names itself. */
  server: string;
  /** The network that it was heard in, CIDR. */
  network: string;
  /** Whether it is one that only tells what to boot (ProxyDHCP). */
  proxy?: boolean;
  /** What else the log shows: who chose it, what it offers. */
  details: object;
}

const WARN_EVERY_MS = 60_000;
/** How long the server that gives a network's addresses is remembered: a new one in its place is soon the expected one. */
const FORGET_MS = 900_000;
const SERVERS = 100;

/** The other DHCP servers of our networks: told in the log, each once a minute at most, and never fought. */
export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #told = new Map<string, number>();
  /** Who gives addresses, by network. */
  readonly #giving = new Map<string, { server: string; at: number }>();

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  heard({ server, network, proxy = false, details }: Heard): void {
    const { own, expected, log, now } = this.#options;
    if (server === own) return;
    if (expected && !proxy) {
      const known = this.#giving.get(network);
      if (known === undefined || known.at <= now() - FORGET_MS || known.server === server) {
        this.#giving.set(network, { server, at: now() });
        if (known?.server !== server) log.info({ server, network }, 'this DHCP server gives the addresses here');
        return;
      }
      if (this.#mayTell(server))
        log.warn(
          { server, network, expected: known.server, ...details },
          'a second DHCP server gives addresses in this network',
        );
      return;
    }
    if (!this.#mayTell(server)) return;
    if (proxy)
      log.warn(
        { server, network, ...details },
        'another ProxyDHCP server tells machines what to boot: they may follow it',
      );
    else
      log.warn({ server, network, ...details }, 'another DHCP server answers in this network: machines may follow it');
  }

  /** It was looked for servers, and those that answered were told of. */
  looked(network: string): void {
    const { expected, log } = this.#options;
    if (expected && !this.#giving.has(network))
      log.warn({ network }, 'no DHCP server gives addresses in this network: machines get none, and do not boot');
  }

  #mayTell(server: string): boolean {
    const now = this.#options.now();
    for (const [other, at] of this.#told) if (at <= now - WARN_EVERY_MS) this.#told.delete(other);
    if (this.#told.has(server) || this.#told.size >= SERVERS) return false;
    this.#told.set(server, now);
    return true;
  }
}
