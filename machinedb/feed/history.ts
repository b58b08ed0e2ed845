import { sql } from 'kysely';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import type { Reader } from '../db.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { type Row, toFeedItem } from './feed-reader.ts';

export interface HistoryQuery {
  /** Only revisions of this section. */
  section?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

/** Revisions and events of one subject, newest first. */
export async function historyOf(
  db: Reader,
  epoch: string,
  subject: string,
  { section, cursor, limit = 100 }: HistoryQuery,
): Promise<{ items: FeedItem[]; next?: string }> {
  const before = Number(readCursor(cursor, keyForms.seq) ?? Number.MAX_SAFE_INTEGER);
  const { rows } = await sql<Row>`
    select * from (
      (select seq, at, 'revision' as type, subject, side as kind, section, source, actor, reason, data from revision
       where subject = ${subject} and seq < ${before} and (${section ?? null}::text is null or section = ${section ?? null})
       order by seq desc limit ${limit + 1})
      union all
      (select seq, at, 'event', subject, kind, null, null, actor, reason, data from event
       where subject = ${subject} and seq < ${before} and ${section ?? null}::text is null
       order by seq desc limit ${limit + 1})
    ) as history order by seq desc limit ${limit + 1}`.execute(db);
  return toPage(
    rows,
    limit,
    ({ seq }) => String(seq),
    (row) => toFeedItem(row, epoch),
  );
}
