import { sql } from 'kysely';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Side } from '../schema.ts';

/** Sections of a side; undefined: all of them. */
export type Read = Partial<Record<Side, string[] | undefined>>;

/**
 * Throws `gone` when the past of what is read was dropped by retention at that time (RFC 3339): an answer would be wrong.
 * Call it after what is read was read: what is dropped meanwhile is missed by none.
 *
 * @param read what the answer is made of, by side
 */
export async function checkHorizon(db: Reader, time: string, read: Read): Promise<void> {
  const { rows } = await sql<{ side: Side; section: string; at: Date }>`
    select side, section, at from retention_horizon where at > ${time}::timestamptz order by at desc`.execute(db);
  const gone = rows.find(({ side, section }) => side in read && (read[side]?.includes(section) ?? true));
  if (gone === undefined) return;
  const { side, section, at } = gone;
  throw new Problem(
    'gone',
    `what was ${side} of ${section} is kept from ${at.toISOString()} on, and ${time} is before: ask for a later time (machinedb retention list)`,
  );
}

/** The place in the feed before which revisions were dropped; 0: none were. */
export async function feedHorizon(db: Reader): Promise<number> {
  const { rows } = await sql<{ seq: number | null }>`
    select max(seq) as seq from retention_horizon`.execute(db);
  return rows[0]?.seq ?? 0;
}
