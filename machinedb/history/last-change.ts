import { sql } from 'kysely';
import type { Reader } from '../db.ts';
import type { Side } from '../schema.ts';

/** A value within a section of a subject's side. */
export interface Question {
  subject: string;
  side: Side;
  section: string;
  /** Keys from the section's data on. */
  path: string[];
}

/** The revision that made a value what it is. */
export interface LastChange {
  seq: number;
  at: Date;
  actor: string;
  reason: string | null;
  source: string;
  /** Absent: it is not there since then. */
  value?: unknown;
  before?: unknown;
  /** The versions before were dropped, so it may have been so for longer. */
  older: boolean;
}

interface Row extends Omit<LastChange, 'value' | 'before' | 'older'> {
  i: number;
  v: unknown;
  there: boolean;
  before: unknown;
  was: boolean;
  first: boolean;
  dropped: Date | null;
}

/** For each question the last revision, up to a time (RFC 3339), by which the value changed; undefined: it never was there. */
export async function lastChanges(
  db: Reader,
  questions: Question[],
  time: string | undefined,
): Promise<(LastChange | undefined)[]> {
  const asked = JSON.stringify(questions.map((question, i) => ({ i, ...question })));
  const { rows } = await sql<Row>`
    select q.i, c.*, h.at as dropped
    from json_to_recordset(${asked}::json) as q(i int, subject text, side text, section text, path json)
    cross join lateral (
      select seq, at, actor, reason, source, v, v is not null as there, before, before is not null as was, n = 1 as first from (
        select r.*, lag(v) over versions as before, row_number() over versions as n from (
          select seq, at, actor, reason, source, data #> array(select json_array_elements_text(q.path)) as v from revision
          where subject = q.subject and side = q.side and section = q.section
            and (${time ?? null}::timestamptz is null or at <= ${time ?? null}::timestamptz)) as r
        window versions as (partition by source order by seq)
      ) as steps where v is distinct from before order by seq desc limit 1
    ) as c
    left join retention_horizon h on h.side = q.side and h.section = q.section`.execute(db);
  const found: (LastChange | undefined)[] = questions.map(() => undefined);
  for (const { i, v, there, before, was, first, dropped, ...rest } of rows)
    found[i] = {
      ...rest,
      ...(there ? { value: v } : {}),
      ...(was ? { before } : {}),
      older: first && dropped !== null && rest.at <= dropped,
    };
  return found;
}
