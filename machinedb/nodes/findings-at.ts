import { sql } from 'kysely';
import type { Finding } from '../../shared/api/nodes.ts';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';
import type { FindingKind, Severity } from '../schema.ts';

export interface PastFilter {
  node?: string | undefined;
  section?: string | undefined;
  severity?: Severity | undefined;
  /** Of nodes that were to stand there, or to have this role, then. */
  site?: string | undefined;
  role?: string | undefined;
  acknowledged?: boolean | undefined;
  /** Only findings with a larger id. */
  after?: number | undefined;
  limit?: number | undefined;
}

/** A row of `finding` as finding_past keeps it: PostgreSQL's JSON of it. */
interface Kept {
  id: number;
  node: string;
  section: string;
  path: string;
  kind: FindingKind;
  severity: Severity;
  expected: unknown;
  got: unknown;
  message: string;
  first_seen: string;
  acknowledged_by: string | null;
  acknowledged_until: string | null;
  acknowledged_reason: string | null;
}

/** Whether the finding `p` of the past was acknowledged at a time. */
const acknowledgedAt = (time: string) => sql<boolean>`(p.data ->> 'acknowledged_by' is not null
  and coalesce((p.data ->> 'acknowledged_until')::timestamptz >= ${time}::timestamptz, true))`;

/**
 * The findings that were open at a time (RFC 3339), by id, with the names that their nodes had then.
 * Throws `gone` when that past was dropped.
 */
export async function findingsAt(db: Reader, time: string, filter: PastFilter = {}): Promise<Finding[]> {
  const { node, section, severity, site, role, acknowledged, after, limit } = filter;
  const wide = site !== undefined || role !== undefined;
  const { rows } = await sql<{ data: Kept; name: string }>`
    select p.data, coalesce(w.data #>> '{wanted,hostname,hostname}' || coalesce('.' || (w.data #>> '{wanted,hostname,domain}'), ''),
      o.data ->> 'fqdn', o.data ->> 'hostname', p.node::text) as name
    from (
      select p.finding, p.node, p.data from finding_past p
      where p.valid @> ${time}::timestamptz and exists (select from node where id = p.node)
        and (${node ?? null}::uuid is null or p.node = ${node ?? null}::uuid)
        and (${after ?? null}::bigint is null or p.finding > ${after ?? null}::bigint)
        and (${section ?? null}::text is null or p.data ->> 'section' = ${section ?? null})
        and (${severity ?? null}::text is null or p.data ->> 'severity' = ${severity ?? null})
        and (not ${wide}::boolean or exists (select from revision w where w.subject = 'node/' || p.node and w.side = 'derived'
          and w.section = 'wanted' and w.valid @> ${time}::timestamptz
          and (${site ?? null}::text is null or w.data #>> '{wanted,placement,site}' = ${site ?? null})
          and (${role ?? null}::text is null or w.data #>> '{wanted,role,name}' = ${role ?? null})))
        and (${acknowledged ?? null}::boolean is null or ${acknowledgedAt(time)} = ${acknowledged ?? null}::boolean)
      order by p.finding limit ${limit ?? null}) as p
    left join revision w on w.subject = 'node/' || p.node and w.side = 'derived' and w.section = 'wanted'
      and w.valid @> ${time}::timestamptz
    left join revision o on o.subject = 'node/' || p.node and o.side = 'observed' and o.section = 'hostname'
      and o.source = 'agent' and o.valid @> ${time}::timestamptz
    order by p.finding`.execute(db);
  await checkHorizon(db, time, { observed: ['hostname'], derived: ['wanted', 'findings'] });
  return rows.map(({ data, name }) => toFinding(data, name));
}

/** Node → how many findings were open and not acknowledged at a time; of these nodes, or of all. */
export async function countsAt(db: Reader, time: string, ids: string[] | undefined): Promise<Map<string, number>> {
  const { rows } = await sql<{ node: string; count: number }>`
    select p.node, count(*) as count from finding_past p
    where p.valid @> ${time}::timestamptz and not ${acknowledgedAt(time)}
      and (${ids ?? null}::uuid[] is null or p.node = any (${ids ?? null}::uuid[]))
    group by p.node`.execute(db);
  return new Map(rows.map(({ node, count }) => [node, count]));
}

function toFinding(kept: Kept, name: string): Finding {
  const { id, node, section, path, kind, severity, message } = kept;
  const { acknowledged_by: by, acknowledged_until: until, acknowledged_reason: reason } = kept;
  const time = (text: string) => new Date(text).toISOString();
  return {
    ...{ id, node, name, section, path, kind, severity, message },
    expected: kept.expected ?? undefined,
    got: kept.got ?? undefined,
    first_seen: time(kept.first_seen),
    acknowledged:
      by === null ? undefined : { by, until: until === null ? undefined : time(until), reason: reason ?? '' },
  };
}
