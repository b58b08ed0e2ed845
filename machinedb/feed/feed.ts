import { sql } from 'kysely';
import { hashOf } from '../../shared/hash.ts';
import type { Tx } from '../db.ts';
import type { Side } from '../schema.ts';

/** A new version of one section of one subject (`fleet`, `site/X`, `role/X`, `rack/SITE:X`, `node/ID`). */
export interface NewRevision {
  subject: string;
  side: Side;
  source: string;
  section: string;
  /** `null` ends the section: there is nothing any more. */
  data: unknown;
  actor: string;
  reason?: string | undefined;
}

export interface NewEvent {
  kind: string;
  subject: string;
  actor: string;
  reason?: string | undefined;
  data?: Record<string, unknown> | undefined;
}

export interface Written {
  seq: number;
  at: Date;
}

/**
 * Appends revisions and events to the one ordered sequence and wakes its readers at commit. A revision that equals
 * the open one writes nothing (its place in the answer is undefined). Call it last in a transaction: it takes the
 * feed's advisory lock, which is held to the commit. A key may stand once in one call.
 */
export async function append(
  tx: Tx,
  revisions: NewRevision[],
  events: NewEvent[] = [],
): Promise<{ revisions: (Written | undefined)[]; events: Written[] }> {
  if (revisions.length + events.length === 0) return { revisions: [], events: [] };
  const hashes = revisions.map((revision) => hashOf(revision.data));
  // Whoever holds this lock is the only writer of revisions, so what is read after it stays true.
  await sql`select pg_advisory_xact_lock(7100, 1)`.execute(tx);
  const open = revisions.length === 0 ? [] : await openVersions(tx, revisions);
  const changed = revisions.map(
    ({ data }, i) => open[i]?.hash !== hashes[i] && !(data === null && open[i] === undefined),
  );
  const count = changed.filter(Boolean).length + events.length;
  if (count === 0) return { revisions: revisions.map(() => undefined), events: [] };
  const places = (await sql<Written>`select seq, at from feed_next(${count})`.execute(tx)).rows;
  let next = 0;
  const writtenRevisions = changed.map((is) => (is ? places[next++] : undefined));
  const writtenEvents = events.map(() => places[next++]!);

  const rows = revisions.flatMap((revision, i) => {
    const place = writtenRevisions[i];
    return place === undefined ? [] : [{ ...revision, ...place, hash: hashes[i], replaces: open[i]?.seq }];
  });
  await closeReplaced(
    tx,
    rows.filter(({ replaces }) => replaces !== undefined),
  );
  const eventRows = events.map((event, i) => ({ data: {}, ...event, ...writtenEvents[i] }));
  // One statement: others wait for the lock that is held here.
  await sql`
    with revisions as (
      insert into revision (seq, at, subject, side, source, section, data, hash, actor, reason, valid)
      select seq, at, subject, side, source, section, nullif(data, 'null'), hash, actor, reason, tstzrange(at, null)
      from json_to_recordset(${JSON.stringify(rows)}::json) as
        x(seq bigint, at timestamptz, subject text, side text, source text, section text, data jsonb, hash text, actor text, reason text)
    ), events as (
      insert into event (seq, at, kind, subject, actor, reason, data)
      select seq, at, kind, subject, actor, reason, coalesce(data, '{}') from json_to_recordset(${JSON.stringify(eventRows)}::json) as
        x(seq bigint, at timestamptz, kind text, subject text, actor text, reason text, data jsonb)
    )
    select pg_notify('machinedb_feed', '')`.execute(tx);
  return { revisions: writtenRevisions, events: writtenEvents };
}

/** Ends the versions in whose place others come. */
async function closeReplaced(tx: Tx, rows: { replaces: number | undefined; at: Date }[]): Promise<void> {
  if (rows.length === 0) return;
  const ends = rows.map(({ replaces, at }) => ({ seq: replaces, at }));
  await sql`
    update revision r set valid = tstzrange(lower(r.valid), x.at)
    from json_to_recordset(${JSON.stringify(ends)}::json) as x(seq bigint, at timestamptz)
    where r.seq = x.seq`.execute(tx);
}

interface Open {
  seq: number;
  hash: string;
}

/** The version that is open now of each key. */
async function openVersions(tx: Tx, revisions: NewRevision[]): Promise<(Open | undefined)[]> {
  const keys = revisions.map(({ subject, side, source, section }, i) => ({ i, subject, side, source, section }));
  const { rows } = await sql<Open & { i: number }>`
    select k.i, r.seq, r.hash from json_to_recordset(${JSON.stringify(keys)}::json) as
      k(i int, subject text, side text, source text, section text)
    join revision r on r.subject = k.subject and r.side = k.side and r.source = k.source
      and r.section = k.section and upper_inf(r.valid)`.execute(tx);
  const open: (Open | undefined)[] = revisions.map(() => undefined);
  for (const row of rows) open[row.i] = row;
  return open;
}
