import WebSocket from 'ws';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import { ApiError, type Client } from '../../shared/client.ts';
import { type Connection, tlsOptions } from './connect.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain } from './render.ts';
import type { Terminal } from './run.ts';

const usage = `usage: machinedb events [--follow] [--since CURSOR] [--json]
  --follow  goes on with what happens from now on, or from --since on, until it is interrupted
  --since   a cursor as the lines show it: what came after that`;

/** `machinedb events [--follow] [--since CURSOR]`: what happened, one line each; --follow goes on until interrupted. */
export async function runEvents(
  client: () => Client,
  connection: () => Connection,
  argv: string[],
  terminal: Terminal,
): Promise<void> {
  const parsed = parseFlags(argv, new Map(), {
    follow: { type: 'boolean' },
    since: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (parsed.own.help === true) return terminal.out(usage);
  const print = (item: FeedItem) => terminal.out(parsed.own.json === true ? JSON.stringify(item) : line(item));
  let cursor = parsed.own.since as string | undefined;
  if (parsed.own.follow !== true) {
    for (;;) {
      const page = await client().call('events', { query: { cursor, limit: 1000 } });
      page.items.forEach(print);
      if (page.next === undefined) return;
      cursor = page.next;
    }
  }
  // A WebSocket that is closed at once would not say whether it was for the cursor.
  if (cursor !== undefined) await refuseCursor(client(), cursor);
  // "now" is asked once: what happens while a connection is down lies behind the cursor, and is not lost.
  cursor ??= (await client().call('events', { query: { cursor: 'now' } })).cursor;
  for (let failures = 0; ; failures++) {
    const outcome = await follow(connection(), cursor, (item) => {
      failures = 0;
      cursor = item.cursor;
      print(item);
    });
    if (outcome === 4410)
      throw new Failure(
        'the cursor points to a history that is over (the database was restored): start anew without --since',
        exitCodes.conflict,
      );
    if (outcome === 1008 || outcome === 401 || outcome === 403)
      throw new Failure('the service refuses: the token is not valid, or may not read', exitCodes.refused);
    const wait = Math.min(30_000, 500 * 2 ** failures);
    terminal.note(`the connection ended (${outcome}); following again from ${cursor} in ${wait / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Throws when the service refuses a cursor; one that is away now is waited for by those who follow. */
async function refuseCursor(client: Client, cursor: string): Promise<void> {
  try {
    await client.call('events', { query: { cursor, limit: 1 } });
  } catch (error) {
    if (error instanceof ApiError && [400, 410].includes(error.status)) throw error;
  }
}

/** Follows until the connection ends; resolves with the WebSocket close code or the HTTP status. */
function follow(connection: Connection, cursor: string, onItem: (item: FeedItem) => void): Promise<number> {
  const url = new URL(`/v1/events?cursor=${encodeURIComponent(cursor)}`, connection.url);
  url.protocol = url.protocol.replace('http', 'ws');
  const { promise, resolve } = Promise.withResolvers<number>();
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${connection.token ?? ''}` },
    ...tlsOptions(connection),
  });
  socket.on('message', (data) => onItem(JSON.parse(String(data)) as FeedItem));
  socket.on('unexpected-response', (_request, response) =>
    resolve(response.statusCode === 410 ? 4410 : (response.statusCode ?? 0)),
  );
  socket.on('error', () => resolve(1006));
  socket.on('close', (code) => resolve(code));
  return promise;
}

function line(item: FeedItem): string {
  const what = item.type === 'event' ? item.kind : `${item.kind} ${item.section}`;
  const why = item.reason === undefined ? '' : ` - ${plain(item.reason)}`;
  return `${item.at}  ${item.cursor}  ${plain(item.subject)}  ${plain(what)}  by ${plain(item.actor)}${why}`;
}
