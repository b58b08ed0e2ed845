import { sql } from 'kysely';
import type { Reader } from '../db.ts';

/** What past acts made of a node. Absent: no act was about it. */
export interface Acts {
  /** When it came into the state it is in. */
  moved?: Date;
  hold?: boolean;
  /** Why secrets and intent are withheld. */
  locked?: string;
  revoked?: boolean;
  reachable?: boolean;
  /** The node that it turned out to be. */
  merged?: string;
}

interface Row {
  subject: string;
  at: Date;
  kind: string;
  reason: string | null;
  data: { hold?: boolean; into?: string };
}

/** How each kind of act changes what was before it. */
const effects: Record<string, (before: Acts, row: Row) => Acts> = {
  'node.state': (before, { at }) => ({ ...before, moved: at }),
  'node.hold': (before, { data }) => ({ ...before, hold: data.hold ?? false }),
  'node.revoked': (before) => ({ ...before, revoked: true }),
  'alarm.locked': (before, { reason }) => ({ ...before, locked: reason ?? '' }),
  // An approval ends a lock and a revocation.
  'node.approved': ({ locked, revoked, ...rest }) => rest,
  'node.merged': (before, { data }) => ({ ...before, ...(data.into === undefined ? {} : { merged: data.into }) }),
  'node.split': ({ merged, ...rest }) => rest,
  'node.reachable': (before) => ({ ...before, reachable: true }),
  'node.unreachable': (before) => ({ ...before, reachable: false }),
};

/** Subject → what its acts up to a time made of it; of these subjects, or of all. The last act of a kind decides. */
export async function readActs(db: Reader, time: string, subjects: string[] | undefined): Promise<Map<string, Acts>> {
  const { rows } = await sql<Row>`
    with act as (
      select seq, subject, at, kind, reason, data from event
      where kind = any(${Object.keys(effects)}) and subject like 'node/%'
      union all
      -- One event tells of all nodes of a site that fell silent at once, or came back.
      select seq, 'node/' || node, at, 'node.unreachable', reason, '{}' from event, jsonb_array_elements_text(data -> 'nodes') as node
      where kind in ('site.unreachable', 'site.silent')
      union all
      select seq, 'node/' || node, at, 'node.reachable', reason, '{}' from event, jsonb_array_elements_text(data -> 'nodes') as node
      where kind in ('site.heard', 'site.reachable')
    )
    select subject, at, kind, reason, data from (
      select distinct on (subject, kind) * from act
      where at <= ${time}::timestamptz
        and (${subjects ?? null}::text[] is null or subject = any(${subjects ?? null}::text[]))
      order by subject, kind, seq desc
    ) as last order by seq`.execute(db);
  const acts = new Map<string, Acts>();
  for (const row of rows) acts.set(row.subject, effects[row.kind]!(acts.get(row.subject) ?? {}, row));
  return acts;
}
