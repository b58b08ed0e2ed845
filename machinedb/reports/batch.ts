import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../http/problem.ts';

export interface Batcher<Item, Result> {
  /** Resolves when the batch that took the item is committed. Throws `unavailable` when too many wait. */
  put(item: Item): Promise<Result>;
  /** Waits until all that was put is done; refuses what comes later. */
  close(): Promise<void>;
}

export interface BatcherOptions<Item, Result> {
  /** Items at most in one batch. */
  size: number;
  /** Items at most that wait. */
  waiting: number;
  /** Shortest time from the beginning of a batch to that of the next, unless that is full already: what comes meanwhile shares it. */
  spacingMs?: number;
  /** Items with the same key never share a batch. */
  keyOf: (item: Item) => string;
  /** Does a batch; an item's own failure is its result, so that it harms no other. */
  run: (items: Item[]) => Promise<(Result | Problem)[]>;
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Collects what concurrent requests want into one piece of work at a time: under load a batch is what came while the one
 * before was being done, and without load an item goes at once. When a batch fails, its items are tried one by one.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const queue: Waiting<Item, Result>[] = [];
  let closed = false;
  let working: Promise<void> | undefined;

  const settle = ({ resolve, reject }: Waiting<Item, Result>, result: Result | Problem) => {
    if (result instanceof Problem) reject(result);
    else resolve(result);
  };
  const runBatch = async (batch: Waiting<Item, Result>[]): Promise<() => void> => {
    try {
      const results = await options.run(batch.map(({ item }) => item));
      return () =>
        batch.forEach((waiting, i) => {
          settle(waiting, results[i]!);
        });
    } catch (error) {
      if (batch.length === 1) return () => batch[0]!.reject(error);
      for (const waiting of batch) (await runBatch([waiting]))();
      return () => {};
    }
  };
  let begun = Number.NEGATIVE_INFINITY;
  const restMs = () => (queue.length >= options.size ? 0 : begun + (options.spacingMs ?? 0) - performance.now());
  const work = async () => {
    while (queue.length > 0) {
      const rest = restMs();
      if (rest > 0) await sleep(rest);
      begun = performance.now();
      const answer = await runBatch(takeBatch(queue, options));
      // The next batch is on its way to the database while this one's answers are written.
      if (queue.length > 0 && restMs() <= 0) setImmediate(answer);
      else answer();
    }
    working = undefined;
  };
  return {
    put(item) {
      if (closed || queue.length >= options.waiting) {
        throw new Problem('unavailable', 'too much is waiting to be written: try again', { retryAfter: 2 });
      }
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      queue.push({ item, resolve, reject });
      // What arrives in the same turn of the event loop shares the first batch.
      working ??= new Promise<void>((done) => setImmediate(() => void work().then(done)));
      return promise;
    },
    async close() {
      closed = true;
      await working;
    },
  };
}

function takeBatch<Item, Result>(
  queue: Waiting<Item, Result>[],
  { size, keyOf }: BatcherOptions<Item, Result>,
): Waiting<Item, Result>[] {
  const keys = new Set<string>();
  const batch: Waiting<Item, Result>[] = [];
  const left: Waiting<Item, Result>[] = [];
  let i = 0;
  for (; i < queue.length && batch.length < size; i++) {
    const key = keyOf(queue[i]!.item);
    (keys.has(key) ? left : batch).push(queue[i]!);
    keys.add(key);
  }
  // In place, and once: what waits may be thousands.
  queue.splice(0, i, ...left);
  return batch;
}
