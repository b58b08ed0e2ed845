import type { Logger } from 'pino';
import type { Db } from '../db.ts';
import type { FeedReader } from '../feed/feed-reader.ts';
import type { Kek } from '../trust/seal.ts';
import { due, type RunOptions, runWebhook } from './run.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Before the first attempt, and before each after one that failed (Standard Webhooks 1.0.0). */
export const RETRIES_MS = [
  ...[0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR],
  24 * HOUR,
];
export const TIMEOUT_MS = 15 * SECOND;
/** A daemon that stands still for longer loses the endpoint to another; then a message may come twice. */
export const LEASE_MS = 20 * SECOND;

/** How long news wait for others to be looked at with them. */
const SOON_MS = 100;
/** Endpoints at most that are sent to at once by one daemon. */
const AT_ONCE = 16;

/** Sends webhooks what happens as long as it runs. Every daemon runs one; an endpoint is one's at a time. */
export function startSender(
  db: Db,
  kek: Kek,
  feed: FeedReader,
  log: Logger,
  options: RunOptions,
): { stop(): Promise<void> } {
  let stopped = false;
  const running = new Set<Promise<void>>();
  let looking = Promise.resolve();
  /** A look is to follow the one that is under way. */
  let waiting = false;
  let soon: NodeJS.Timeout | undefined;

  const look = async () => {
    const hooks = await db.selectFrom('webhook').selectAll().where(due(feed.epoch)).orderBy('next_at').execute();
    for (const hook of hooks) {
      // Whoever comes behind the first has its turn in this look: the next one begins with the same again.
      while (running.size >= AT_ONCE && !stopped) await Promise.race(running);
      if (stopped) return;
      const run: Promise<void> = runWebhook(db, kek, feed.epoch, hook, options, () => stopped)
        .catch((error) => warn(error, hook.name))
        .finally(() => running.delete(run));
      running.add(run);
    }
  };
  const warn = (error: unknown, webhook?: string) => {
    if (!stopped) log.warn({ webhook, err: error }, 'webhooks could not be sent; they are tried again');
  };
  // Every second, and soon after something happened: what happens meanwhile shares one look.
  const unsubscribe = feed.subscribe(() => {
    if (soon !== undefined || stopped) return;
    soon = setTimeout(() => {
      soon = undefined;
      if (waiting) return;
      waiting = true;
      looking = looking
        .then(() => {
          waiting = false;
          return look();
        })
        .catch((error) => warn(error));
    }, SOON_MS);
  });
  return {
    async stop() {
      stopped = true;
      unsubscribe();
      clearTimeout(soon);
      await looking;
      await Promise.all(running);
    },
  };
}
