import type { WebSocket } from 'ws';
import { Problem } from '../http/problem.ts';
import type { FeedReader } from './feed-reader.ts';

export interface FollowOptions {
  /** Cursor to go on from; the beginning when undefined. */
  from: string | undefined;
  /** Whether the caller may still read. */
  stillValid: () => Promise<boolean>;
  /** Items a read. */
  page?: number;
  /** A reader that takes nothing for so long is sent away (milliseconds). */
  stallMs?: number;
  /** Time between two pings; a peer that leaves one unanswered while nothing waits to be sent is gone (milliseconds). */
  pingMs?: number;
  /** Time between two looks at the caller's credential: below 60 s, since a revoked one must not read longer (milliseconds). */
  checkMs?: number;
}

/** Close codes: 1008 credential, 1013 too slow, 4410 the cursor's history is over (as HTTP 410). */
const REVOKED = 1008;
const TOO_SLOW = 1013;
const CLOSE_MS = 2000;

/**
 * Sends the feed's items to a WebSocket, one a message, until it closes. The next page is read only when the page before
 * has left this process, so a slow reader costs one page of memory; it goes on from its last item's cursor. Throws what
 * the first read throws; a fault later closes the connection.
 */
export async function followFeed(feed: FeedReader, connection: WebSocket, options: FollowOptions): Promise<void> {
  const { page = 50, stallMs = 30_000, pingMs = 20_000, checkMs = 15_000 } = options;
  let cursor = options.from;
  let news = true;
  let wake = () => {};
  const unsubscribe = feed.subscribe(() => {
    news = true;
    wake();
  });
  const stopWatching = watch(connection, options.stillValid, pingMs, checkMs);
  connection.once('close', () => wake());
  try {
    while (connection.readyState === connection.OPEN) {
      news = false;
      const read = await feed.read(cursor, page);
      cursor = read.cursor;
      if (read.items.length > 0) {
        const sent = await send(
          connection,
          read.items.map((item) => JSON.stringify(item)),
          stallMs,
        );
        if (!sent) return away(connection, TOO_SLOW, 'too slow: go on from the cursor of the last item');
      } else if (!news && connection.readyState === connection.OPEN) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    away(connection, 1011, 'the database does not answer: go on from the cursor of the last item');
  } finally {
    stopWatching();
    unsubscribe();
  }
}

/** Whether all messages have left this process, with no pause longer than `stallMs`; true, too, when the peer has gone. */
async function send(connection: WebSocket, messages: string[], stallMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), stallMs);
  const gone = () => resolve(true);
  connection.once('close', gone);
  let waiting = messages.length;
  for (const message of messages) {
    connection.send(message, () => {
      timer.refresh();
      waiting--;
      if (waiting === 0) resolve(true);
    });
  }
  const sent = await promise;
  clearTimeout(timer);
  connection.off('close', gone);
  return sent;
}

// A close frame queues behind what a slow reader has not taken: it gets a moment for it, no more.
function away(connection: WebSocket, code: number, reason: string): void {
  connection.close(code, reason);
  setTimeout(() => connection.terminate(), CLOSE_MS).unref();
}

function watch(connection: WebSocket, stillValid: () => Promise<boolean>, pingMs: number, checkMs: number): () => void {
  let alive = true;
  connection.on('pong', () => {
    alive = true;
  });
  const ping = setInterval(() => {
    // A ping would queue behind what waits; how long that may take is judged where it is sent.
    if (connection.bufferedAmount > 0) return;
    if (!alive) return connection.terminate();
    alive = false;
    connection.ping();
  }, pingMs);
  const check = setInterval(async () => {
    // A database that is away says nothing of the credential; the next look will.
    const valid = await stillValid().catch(() => true);
    if (!valid) away(connection, REVOKED, 'the credential is no longer valid');
  }, checkMs);
  return () => {
    clearInterval(ping);
    clearInterval(check);
  };
}
