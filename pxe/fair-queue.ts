export interface QueueLimits {
  /** Served at a time. */
  slots: number;
  /** Waiting at a time, all racks together. */
  waiting: number;
  /** Served and waiting of one client. */
  perClient: number;
  /** How long one waits at most, milliseconds: shorter than the silence that a client takes for a broken connection. */
  patienceMs: number;
}

/** What an entrant is told, at once or later: to go on (undefined), or in how many seconds to come again. */
export type Verdict = (retryAfterS: number | undefined) => void;

interface Entry {
  rack: string;
  client: string;
  since: number;
  state: 'waiting' | 'served' | 'gone';
  verdict: Verdict;
}

interface Rack {
  served: number;
  /** In the order they came. */
  waiting: Entry[];
  /** Number of the turn it had last. */
  turn: number;
}

const MOST_RETRY_S = 60;
/** Weight of the newest in the mean time of service. */
const NEWEST = 0.1;

/**
 * Who is served next when more ask than can be: a free slot goes to the rack with the fewest slots, and among those to the one
 * whose last turn is longest ago. When the waiting room is full, the rack with the most waiting loses its newest to a rack with
 * fewer. Whoever is turned away is told when to come again: after about the time that those who wait will take, and not in step.
 *
 * A pure structure: it has no timers, and whoever uses it calls `expire` now and then.
 */
export class FairQueue {
  readonly #limits: QueueLimits;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #racks = new Map<string, Rack>();
  readonly #clients = new Map<string, number>();
  #served = 0;
  #waiting = 0;
  #shed = 0;
  #turns = 0;
  /** Mean time of service, milliseconds. */
  #mean = 0;

  /**
   * @param clock milliseconds, never going back
   * @param random uniform in [0, 1)
   */
  constructor(limits: QueueLimits, clock: () => number, random: () => number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  /** Being served, waiting, and turned away since the start. */
  get counts(): { served: number; waiting: number; shed: number } {
    return { served: this.#served, waiting: this.#waiting, shed: this.#shed };
  }

  /** Enters for a client of a rack; the answer leaves, whether it is waiting or served, and is safe to call again. */
  enter(rack: string, client: string, verdict: Verdict): () => void {
    const entry: Entry = { rack, client, since: this.#clock(), state: 'gone', verdict };
    if ((this.#clients.get(client) ?? 0) >= this.#limits.perClient) this.#turnAway(entry);
    else if (this.#served < this.#limits.slots) this.#serve(this.#take(entry), entry);
    else if (this.#hasRoom(rack)) {
      this.#take(entry).waiting.push(entry);
      entry.state = 'waiting';
      this.#waiting += 1;
    } else this.#turnAway(entry);
    return () => this.#leave(entry);
  }

  /** Turns away who waited too long. */
  expire(): void {
    const latest = this.#clock() - this.#limits.patienceMs;
    for (const { waiting } of [...this.#racks.values()])
      while (waiting[0] !== undefined && waiting[0].since <= latest) this.#drop(waiting[0]);
  }

  /** Makes room at the cost of the longest queue, if that is longer than the rack's own would become. */
  #hasRoom(rack: string): boolean {
    if (this.#waiting < this.#limits.waiting) return true;
    let longest: Rack | undefined;
    for (const other of this.#racks.values())
      if (longest === undefined || other.waiting.length > longest.waiting.length) longest = other;
    const own = this.#racks.get(rack)?.waiting.length ?? 0;
    if (longest === undefined || longest.waiting.length <= own + 1) return false;
    this.#drop(longest.waiting.at(-1)!);
    return true;
  }

  #leave(entry: Entry): void {
    const { state } = entry;
    if (state === 'gone') return;
    this.#forget(entry);
    if (state === 'waiting') return;
    const took = this.#clock() - entry.since;
    this.#mean = this.#mean === 0 ? took : this.#mean + NEWEST * (took - this.#mean);
    const rack = this.#next();
    if (rack === undefined) return;
    this.#waiting -= 1;
    this.#serve(rack, rack.waiting.shift()!);
  }

  #next(): Rack | undefined {
    let next: Rack | undefined;
    for (const rack of this.#racks.values()) {
      if (rack.waiting.length === 0) continue;
      const { served, turn } = next ?? { served: Number.POSITIVE_INFINITY, turn: 0 };
      if (rack.served < served || (rack.served === served && rack.turn < turn)) next = rack;
    }
    return next;
  }

  #serve(rack: Rack, entry: Entry): void {
    entry.state = 'served';
    entry.since = this.#clock();
    rack.served += 1;
    rack.turn = ++this.#turns;
    this.#served += 1;
    entry.verdict(undefined);
  }

  #drop(entry: Entry): void {
    this.#forget(entry);
    this.#turnAway(entry);
  }

  #turnAway({ verdict }: Entry): void {
    this.#shed += 1;
    const drainedS = ((this.#waiting + 1) * this.#mean) / this.#limits.slots / 1000;
    verdict(Math.min(MOST_RETRY_S, Math.ceil((1 + drainedS) * (0.5 + this.#random()))));
  }

  /** Counts an entrant for its client, and answers its rack. */
  #take({ rack: name, client }: Entry): Rack {
    this.#clients.set(client, (this.#clients.get(client) ?? 0) + 1);
    const rack = this.#racks.get(name) ?? { served: 0, waiting: [], turn: 0 };
    this.#racks.set(name, rack);
    return rack;
  }

  /** The opposite of what was done when it came and when it was served. */
  #forget(entry: Entry): void {
    const rack = this.#racks.get(entry.rack)!;
    if (entry.state === 'served') {
      rack.served -= 1;
      this.#served -= 1;
    } else {
      rack.waiting.splice(rack.waiting.lastIndexOf(entry), 1);
      this.#waiting -= 1;
    }
    entry.state = 'gone';
    if (rack.served === 0 && rack.waiting.length === 0) this.#racks.delete(entry.rack);
    const left = this.#clients.get(entry.client)! - 1;
    if (left === 0) this.#clients.delete(entry.client);
    else this.#clients.set(entry.client, left);
  }
}
