import { sql } from 'kysely';
import type { Tx } from '../db.ts';

/** Rows at most that one run drops of a section, so that it is short. */
const BATCH = 5000;

/**
 * Background task: drops closed revisions (and findings of the past) whose time is over, and records from when on the past
 * is whole. Open revisions, events, and what no row of `retention` is about are never touched.
 */
export async function dropOld(tx: Tx, batch = BATCH): Promise<void> {
  const { rows } = await sql<{ side: string; section: string; cutoff: Date }>`
    select side, section, now() - make_interval(secs => keep_days * 86400) as cutoff from retention
    order by side, section`.execute(tx);
  if (rows.length === 0) return;
  const own = rows.filter(({ side }) => side === 'observed').map(({ section }) => section);
  for (const { side, section, cutoff } of rows) {
    if (side === 'derived' && section === 'findings') await dropFindings(tx, cutoff, batch);
    else await dropRevisions(tx, { side, section, cutoff, except: own }, batch);
  }
}

interface Rule {
  side: string;
  /** `default`: every observed section but those of `except`. */
  section: string;
  cutoff: Date;
  except: string[];
}

async function dropRevisions(tx: Tx, { side, section, cutoff, except }: Rule, batch: number): Promise<void> {
  const which =
    side === 'observed' && section === 'default' ? sql`section <> all (${except})` : sql`section = ${section}`;
  await sql`
    with gone as (
      delete from revision where seq in (
        select seq from revision
        where valid << tstzrange(${cutoff}, null) and side = ${side} and ${which} and not upper_inf(valid)
        order by upper(valid) limit ${batch})
      returning section, seq, upper(valid) as ended
    )
    insert into retention_horizon (side, section, at, seq)
    select ${side}, section, max(ended), max(seq) from gone group by section
    on conflict (side, section) do update set at = greatest(retention_horizon.at, excluded.at),
      seq = greatest(retention_horizon.seq, excluded.seq)`.execute(tx);
}

async function dropFindings(tx: Tx, cutoff: Date, batch: number): Promise<void> {
  await sql`
    with gone as (
      delete from finding_past where ctid in (
        select ctid from finding_past where valid << tstzrange(${cutoff}, null) order by upper(valid) limit ${batch})
      returning upper(valid) as ended
    )
    insert into retention_horizon (side, section, at, seq)
    select 'derived', 'findings', max(ended), 0 from gone having count(*) > 0
    on conflict (side, section) do update set at = greatest(retention_horizon.at, excluded.at)`.execute(tx);
}
