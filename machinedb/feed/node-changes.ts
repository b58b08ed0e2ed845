import { sql } from 'kysely';
import type { Db, Reader, Tx } from '../db.ts';

/** How far a reader has read which nodes changed. */
export interface Position {
  /** The unbroken time in which the position means something; '' when none has begun. */
  life: string;
  /** PostgreSQL's pg_snapshot: what was committed and seen. */
  snapshot: string;
}

export interface News extends Position {
  /** Ids of the nodes that changed, came or went; undefined: nobody can tell, and everything must be read. */
  changed: string[] | undefined;
}

/**
 * Which nodes changed since a position (whatever of them: node or node_now was written), and the position now. Inside of a
 * repeatable read the position is that of the transaction. One query by an index: it costs as much as has changed.
 */
export async function readNews(db: Reader, since: Position | undefined): Promise<News> {
  const snapshot = sql`${since?.snapshot ?? null}::pg_snapshot`;
  const { rows } = await sql<{ life: string; snapshot: string; covered: boolean | null; changed: string[] }>`
    select coalesce(l.id || '.' || 'node_change'::regclass::oid, '') as life, pg_current_snapshot()::text as snapshot,
      l.since <= pg_snapshot_xmin(${snapshot}) as covered,
      array(select distinct node::text from node_change
        where changed >= pg_snapshot_xmin(${snapshot}) and not pg_visible_in_snapshot(changed, ${snapshot})) as changed
    from (select 1) as one left join node_change_life l on true`.execute(db);
  const { covered, changed, ...now } = rows[0]!;
  const continued = now.life !== '' && now.life === since?.life && covered === true;
  return { ...now, changed: continued ? changed : undefined };
}

/** Begins a time in which positions mean something, where none has begun. */
export async function beginNews(db: Db | Tx): Promise<void> {
  await sql`insert into node_change_life default values on conflict do nothing`.execute(db);
}

/**
 * Background task: forgets changes that are older than `keepMs` at least, milliseconds. A reader that was away for longer reads
 * everything anew.
 */
export async function clearNews(tx: Tx, keepMs: number): Promise<void> {
  await beginNews(tx);
  // Only when there is something to forget: it reads all changes.
  await sql`
    with moved as (
      update node_change_life set since = mark, mark = pg_snapshot_xmin(pg_current_snapshot()), mark_at = now()
      where mark_at <= now() - make_interval(secs => ${keepMs / 1000}) returning since
    )
    delete from node_change where changed < (select since from moved)`.execute(tx);
}
