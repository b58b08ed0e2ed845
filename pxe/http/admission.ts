import type { ServerResponse } from 'node:http';
import { FairQueue, type QueueLimits } from '../fair-queue.ts';

const LOOK_MS = 1_000;
/** A flood of refusals is told of once in this time. */
const TELL_EVERY_MS = 10_000;

export interface AdmissionOptions {
  limits: QueueLimits;
  rackOf: (address: string) => string;
  /** Milliseconds, never going back. */
  clock: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Called with how many were turned away since the last call, at most every ten seconds. */
  tell: (turnedAway: number) => void;
}

/** The door to work that only so many can have at a time; the others wait their turn, or get 503 with Retry-After. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #queue: FairQueue;
  readonly #timer: NodeJS.Timeout;
  #told = { at: 0, shed: 0 };

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#queue = new FairQueue(options.limits, options.clock, options.random);
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Does the work for a client at this address when it is its turn, unless it went away meanwhile. */
  async admit(response: ServerResponse, address: string, work: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<number | 'gone' | undefined>();
    const leave = this.#queue.enter(this.#options.rackOf(address), address, resolve);
    const gone = () => resolve('gone');
    // A client that is being served keeps its slot until its work has ended, for so long it holds memory.
    response.once('close', gone);
    const verdict = await promise;
    response.off('close', gone);
    if (typeof verdict === 'number') return comeAgain(response, verdict, 'too many machines are being served');
    try {
      if (verdict !== 'gone') await work();
    } finally {
      leave();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#queue.expire();
    const { shed } = this.#queue.counts;
    const now = this.#options.clock();
    if (shed === this.#told.shed || now < this.#told.at + TELL_EVERY_MS) return;
    this.#options.tell(shed - this.#told.shed);
    this.#told = { at: now, shed };
  }
}

/** Answers 503 with Retry-After (RFC 9110, section 10.2.3). */
export function comeAgain(response: ServerResponse, seconds: number, why: string): void {
  if (response.destroyed) return;
  response
    .writeHead(503, { 'retry-after': String(seconds), 'content-type': 'text/plain' })
    .end(`${why}: ask again in ${seconds} s\n`);
}
