import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import type { Db, Reader } from '../db.ts';
import { Servers } from '../failover/servers.ts';
import { type WriterClient, writerClient } from '../failover/writer-client.ts';
import { feedHorizon } from '../history/horizon.ts';
import { Problem } from '../http/problem.ts';

const POLL_MS = 1000;
const RECONNECT_MS = 1000;
const CONNECT_MS = 5_000;
/** A page ends with the item that exceeds so many bytes of JSON, so that no reader makes us hold more. */
const PAGE_BYTES = 4_000_000;

export interface FeedPage {
  items: FeedItem[];
  /** Of the last item; the cursor that was asked with when there is none. */
  cursor: string;
  /** Whether more items are there already. */
  more: boolean;
}

/** Reads the one ordered sequence of revisions and events. */
export interface FeedReader {
  /** Name of this history: the first half of a cursor. */
  readonly epoch: string;
  /**
   * Items after a cursor, in order: at most `limit`, and fewer when they are big. Throws `gone` for a cursor of another
   * history, of the future, or from before what retention dropped. Without a cursor: all that is kept.
   */
  read(cursor: string | undefined, limit: number): Promise<FeedPage>;
  /** Cursor of the newest item. */
  latest(): Promise<string>;
  /** Calls back whenever there may be something new: at least every second. */
  subscribe(listener: () => void): () => void;
  close(): Promise<void>;
}

export interface Row {
  seq: number;
  at: Date;
  type: 'revision' | 'event';
  subject: string;
  kind: string;
  section: string | null;
  source: string | null;
  actor: string;
  reason: string | null;
  data: unknown;
}

export function openFeedReader(db: Db, epoch: string, url: string, log: Logger): FeedReader {
  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of listeners) listener();
  };
  // A notification is only a hint that makes readers look sooner; the poll finds everything.
  const timer = setInterval(wake, POLL_MS).unref();
  const hints = listenForHints(url, wake, log);
  const latest = async () => `${epoch}.${await lastSeq(db)}`;
  return {
    epoch,
    latest,
    async read(cursor, limit) {
      if (cursor === 'now') return { items: [], cursor: await latest(), more: false };
      const { after, catchingUp } = parseCursor(cursor, epoch);
      const { rows, more } = await readRows(db, after, limit);
      if (rows.length === 0 && after > (await lastSeq(db))) {
        throw new Problem('gone', `the cursor ${cursor} is ahead of everything here: start anew without a cursor`);
      }
      // Looked at after the rows: what is dropped meanwhile is missed by none.
      const horizon = await feedHorizon(db);
      if (after < horizon && !catchingUp)
        throw new Problem(
          'gone',
          `the cursor ${cursor} is before ${epoch}.${horizon}, and revisions up to there were dropped (machinedb retention list): start anew without a cursor`,
        );
      const last = rows.at(-1)?.seq ?? after;
      const mark = (seq: number) => (seq < horizon ? CATCHING_UP : '');
      const items = rows.map((row) => {
        const item = toFeedItem(row, epoch);
        return { ...item, cursor: item.cursor + mark(row.seq) };
      });
      return { items, cursor: `${epoch}.${last}${mark(last)}`, more };
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      clearInterval(timer);
      await hints.close();
    },
  };
}

/** Ends a cursor of a reader that began with what is kept, as long as it reads what is older than the last that was dropped. */
const CATCHING_UP = '~';

function parseCursor(cursor: string | undefined, epoch: string): { after: number; catchingUp: boolean } {
  if (cursor === undefined) return { after: 0, catchingUp: true };
  const match = /^([0-9a-f]{8})\.(\d{1,15})(~?)$/.exec(cursor);
  if (match === null)
    throw new Problem('cursor_invalid', `the cursor ${cursor.slice(0, 50)} is not one that the feed gave (epoch.seq)`);
  if (match[1] !== epoch) {
    throw new Problem(
      'gone',
      `the cursor ${cursor} is of another history (the database was restored): start anew without a cursor`,
    );
  }
  return { after: Number(match[2]), catchingUp: match[3] === CATCHING_UP };
}

async function lastSeq(db: Reader): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    select greatest((select coalesce(max(seq), 0) from revision), (select coalesce(max(seq), 0) from event)) as seq`.execute(
    db,
  );
  return rows[0]!.seq;
}

async function readRows(db: Reader, after: number, limit: number): Promise<{ rows: Row[]; more: boolean }> {
  const { rows } = await sql<Row & { found: number }>`
    select * from (
      select feed.*, count(*) over () as found,
        sum(octet_length(data::text)) over (order by seq rows between unbounded preceding and 1 preceding) as size_before
      from (
        (select seq, at, 'revision' as type, subject, side as kind, section, source, actor, reason, data
         from revision where seq > ${after} order by seq limit ${limit + 1})
        union all
        (select seq, at, 'event', subject, kind, null, null, actor, reason, data
         from event where seq > ${after} order by seq limit ${limit + 1})
      ) as feed
    ) as sized where coalesce(size_before, 0) < ${PAGE_BYTES} order by seq limit ${limit}`.execute(db);
  return { rows, more: (rows[0]?.found ?? 0) > rows.length };
}

/** A row of the feed as the API shows it. */
export function toFeedItem(row: Row, epoch: string): FeedItem {
  return {
    cursor: `${epoch}.${row.seq}`,
    at: row.at.toISOString(),
    type: row.type,
    subject: row.subject,
    kind: row.kind,
    actor: row.actor,
    ...(row.section === null ? {} : { section: row.section }),
    ...(row.source === null ? {} : { source: row.source }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    data: row.data,
  };
}

/** One connection that only listens; it comes back by itself when the database was away. */
function listenForHints(url: string, wake: () => void, log: Logger): { close(): Promise<void> } {
  let closed = false;
  let client: WriterClient | undefined;
  // A standby cannot listen: each attempt goes to the server that may be the primary now.
  const Client = writerClient(new Servers(url), { connectMs: CONNECT_MS, silenceMs: CONNECT_MS });
  let retry: NodeJS.Timeout | undefined;
  const connect = async () => {
    const connection = new Client({ application_name: 'machinedb feed' });
    client = connection;
    connection.on('notification', wake);
    connection.on('error', (error) => log.warn({ cause: error.message }, 'the feed lost its connection'));
    connection.on('end', () => {
      if (!closed) retry = setTimeout(() => void connect(), RECONNECT_MS).unref();
    });
    try {
      await connection.connect();
      await connection.query('listen machinedb_feed');
      wake();
    } catch (error) {
      log.warn({ cause: (error as Error).message }, 'the feed cannot listen; it polls');
      await connection.end().catch(() => undefined);
      if (!closed) {
        clearTimeout(retry);
        retry = setTimeout(() => void connect(), RECONNECT_MS).unref();
      }
    }
  };
  void connect();
  return {
    async close() {
      closed = true;
      clearTimeout(retry);
      await client?.end().catch(() => undefined);
    },
  };
}
