import { FairQueue } from './fair-queue.ts';
import { pausesOf } from './http/pauses.ts';
import { LIMITS } from './http/server.ts';

export interface Storm {
  /** Machines of each rack, all powered on together. */
  racks: readonly number[];
  /** Milliseconds that a decision takes, that the kernel and the initramfs take in a slot. */
  decisionMs: number;
  kernelMs: number;
  initrdMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

export interface Outcome {
  /** When the last machine of each rack had its files, milliseconds of virtual time. */
  ended: number[];
  booted: number;
  turnedAway: number;
  /** Waiting at a time, at most. */
  mostWaiting: number;
  decisions: number;
}

/** Machines come back from a power cut within this, for firmware takes its time. */
const POWER_ON_MS = 30_000;
/** Longest time of no answer that the service ends by itself, and a script's tries with growing pauses: as in http/. */
const LOOK_MS = 1_000;
const TRIES = 6;

/**
 * Boots racks in virtual time through the queues of the boot service, with their limits: each machine asks for its script, the
 * kernel and the initramfs, and does what its script says when it is turned away.
 */
export function simulateStorm({ racks, decisionMs, kernelMs, initrdMs, random }: Storm): Outcome {
  const time = new VirtualTime();
  const queues = {
    files: new FairQueue(LIMITS.files, () => time.now, random),
    decisions: new FairQueue(LIMITS.decisions, () => time.now, random),
  };
  const outcome: Outcome = { ended: racks.map(() => 0), booted: 0, turnedAway: 0, mostWaiting: 0, decisions: 0 };
  const total = racks.reduce((sum, rack) => sum + rack, 0);
  const look = () => {
    for (const queue of Object.values(queues)) queue.expire();
    if (outcome.booted < total) time.after(LOOK_MS, look);
  };
  look();
  racks.forEach((machines, rack) => {
    for (let machine = 0; machine < machines; machine++) {
      const { firstS, moreS } = pausesOf(random);
      let tries = 0;
      const fetch = (what: 'files' | 'decisions', ms: number, then: () => void) => {
        const leave = queues[what].enter(`${rack}`, `${rack}.${machine}`, (retryAfterS) => {
          if (retryAfterS !== undefined) {
            time.after((firstS + moreS * tries) * 1000, tries + 1 === TRIES ? ask : () => fetch(what, ms, then));
            tries = (tries + 1) % TRIES;
            return;
          }
          time.after(ms * (0.8 + 0.4 * random()), () => {
            leave();
            then();
          });
        });
        outcome.mostWaiting = Math.max(outcome.mostWaiting, queues[what].counts.waiting);
      };
      const ask = () => fetch('decisions', decisionMs, kernel);
      const kernel = () => {
        outcome.decisions += 1;
        fetch('files', kernelMs, initrd);
      };
      const initrd = () =>
        fetch('files', initrdMs, () => {
          outcome.booted += 1;
          outcome.ended[rack] = time.now;
        });
      time.after(random() * POWER_ON_MS, ask);
    }
  });
  time.run();
  outcome.turnedAway = queues.files.counts.shed + queues.decisions.counts.shed;
  return outcome;
}

/**
 * When each rack would be through if the service was divided evenly among the racks that still want it, as a fluid.
 *
 * @param whole when the last of all is through
 */
export function fairShares(racks: readonly number[], whole: number): number[] {
  const perMachine = whole / racks.reduce((sum, rack) => sum + rack, 0);
  return racks.map((own) => racks.reduce((sum, other) => sum + Math.min(own, other), 0) * perMachine);
}

/** The worst that became of a rack, as a multiple of its fair share. */
export function worstShare(racks: readonly number[], ended: readonly number[]): number {
  const fair = fairShares(racks, Math.max(...ended));
  return Math.max(...ended.map((end, rack) => end / fair[rack]!));
}

/** A clock that jumps from one thing to do to the next (a binary heap by time, then by order). */
class VirtualTime {
  now = 0;
  readonly #heap: { at: number; order: number; work: () => void }[] = [];
  #order = 0;

  after(ms: number, work: () => void): void {
    const heap = this.#heap;
    heap.push({ at: this.now + ms, order: this.#order++, work });
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#isBefore(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  run(): void {
    const heap = this.#heap;
    while (heap.length > 0) {
      this.#swap(0, heap.length - 1);
      const { at, work } = heap.pop()!;
      for (let i = 0; ; ) {
        let least = i;
        for (const child of [2 * i + 1, 2 * i + 2])
          if (child < heap.length && this.#isBefore(child, least)) least = child;
        if (least === i) break;
        this.#swap(i, least);
        i = least;
      }
      this.now = at;
      work();
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a]!, this.#heap[b]!];
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b]!, heap[a]!];
  }
}
