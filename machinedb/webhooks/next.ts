import { sql } from 'kysely';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import type { Reader } from '../db.ts';
import { type Row, toFeedItem } from '../feed/feed-reader.ts';

const REVISION = 'revision.';
/** All kinds of events. */
export const EVERY_EVENT = '*';

/** As LIKE patterns: `*` stands for any text. */
const patterns = (kinds: string[]) => kinds.map((kind) => kind.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%'));

/** Items of these kinds after a place in the feed, in order. */
export async function nextItems(
  db: Reader,
  epoch: string,
  { cursor, kinds }: { cursor: number; kinds: string[] },
  limit: number,
): Promise<{ seq: number; item: FeedItem }[]> {
  const revisions = patterns(kinds.filter((kind) => kind.startsWith(REVISION)));
  const events = patterns(kinds.filter((kind) => !kind.startsWith(REVISION)));
  const none: Row[] = [];
  const { rows: acts } =
    events.length === 0
      ? { rows: none }
      : await sql<Row>`
          select seq, at, 'event' as type, subject, kind, null as section, null as source, actor, reason, data from event
          where seq > ${cursor} and kind like any (${events}) order by seq limit ${limit}`.execute(db);
  const { rows: versions } =
    revisions.length === 0
      ? { rows: none }
      : await sql<Row>`
          select seq, at, 'revision' as type, subject, side as kind, section, source, actor, reason, data from revision
          where seq > ${cursor} and 'revision.' || side || '.' || section like any (${revisions}) order by seq limit ${limit}`.execute(
          db,
        );
  return [...acts, ...versions]
    .sort((a, b) => a.seq - b.seq)
    .slice(0, limit)
    .map((row) => ({ seq: row.seq, item: toFeedItem(row, epoch) }));
}

/** The newest place in the feed: whatever is committed later comes behind it. */
export async function newestSeq(db: Reader): Promise<number> {
  const { rows } = await sql<{ seq: number | null }>`
    select greatest((select max(seq) from revision), (select max(seq) from event)) as seq`.execute(db);
  return rows[0]?.seq ?? 0;
}
