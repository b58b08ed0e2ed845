import { sql } from 'kysely';
import type { Tx } from '../db.ts';

/** Rows at most that one run drops of a section, so that it is short. */
const BATCH = 5000;

/**
 * Background task: drops closed revisions (and findings of the past) whose time is over, and records from when on the past
 * is whole. Open revisions, events, and what no row of `retention` is about are never touched.
 */
export async function dropOld(tx: Tx, batch = BATCH): Promise<void> {
  const { rows } = await sql<Rule>`
    select side, section, now() - make_interval(secs => keep_days * 86400) as cutoff from retention
    order by side, section`.execute(tx);
  const own = new Set(rows.filter(({ side }) => side === 'observed').map(({ section }) => section));
  for (const rule of rows) {
    if (rule.side === 'derived' && rule.section === 'findings') await dropFindings(tx, rule.cutoff, batch);
    else if (rule.side === 'observed' && rule.section === 'default') {
      const others = (await observedSections(tx)).filter((section) => !own.has(section));
      for (const section of others) await dropRevisions(tx, { ...rule, section }, batch);
    } else await dropRevisions(tx, rule, batch);
  }
}

interface Rule {
  side: string;
  section: string;
  /** What was replaced before goes. */
  cutoff: Date;
}

/** Observed sections that have closed revisions: one look at the index for each. */
async function observedSections(tx: Tx): Promise<string[]> {
  const { rows } = await sql<{ section: string }>`
    with recursive known as (
      (select section from revision where side = 'observed' and not upper_inf(valid) order by section limit 1)
      union all
      select (select r.section from revision r where r.side = 'observed' and not upper_inf(r.valid) and r.section > known.section
        order by r.section limit 1) from known where known.section is not null
    ) select section from known where section is not null`.execute(tx);
  return rows.map(({ section }) => section);
}

async function dropRevisions(tx: Tx, { side, section, cutoff }: Rule, batch: number): Promise<void> {
  await sql`
    with gone as (
      delete from revision where seq in (
        select seq from revision
        where side = ${side} and section = ${section} and not upper_inf(valid) and upper(valid) <= ${cutoff}
        order by upper(valid) limit ${batch})
      returning seq, upper(valid) as ended
    )
    insert into retention_horizon (side, section, at, seq)
    select ${side}, ${section}, max(ended), max(seq) from gone having count(*) > 0
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
