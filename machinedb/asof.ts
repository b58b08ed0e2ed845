import { sql } from 'kysely';
import type { Node } from '../shared/api/nodes.ts';
import type { Reader } from './db.ts';
import { findingsOf } from './findings.ts';
import { hotOf } from './hot.ts';
import { addressesOf } from './node-view.ts';
import type { Level, NodeState } from './schema.ts';

/** A node at a time in the past, from revisions and events alone. */
export interface NodeAt {
  node: Node;
  revoked: boolean;
  /** Observed section `network`. */
  network: unknown;
}

interface Row {
  id: string;
  created_at: Date;
  observed_at: Date | null;
  observed: Record<string, unknown> | null;
  wanted: { wanted: Record<string, unknown>; generation: number } | null;
  state: { state: NodeState; level: Level };
  state_at: Date;
  hold: boolean | null;
  locked: string | null;
  revoked: boolean;
  reachable: boolean | null;
}

export interface Slice {
  /** Only nodes with a larger id. */
  after?: string | undefined;
  limit?: number | undefined;
  /** Only these nodes. */
  ids?: string[];
}

/**
 * All nodes as they were at a time (RFC 3339), by id. Heartbeats are kept in no history: `seen_at` and `agent_version` are
 * absent, and `observed_at` is the time of the last report that changed something.
 */
export async function fleetAt(db: Reader, time: string, { after, limit, ids }: Slice = {}): Promise<NodeAt[]> {
  const { rows } = await sql<Row>`
    with chosen as (
      select id, created_at, 'node/' || id as subject from node
      where created_at <= ${time}::timestamptz
        and (${after ?? null}::uuid is null or id > ${after ?? null}::uuid)
        and (${ids ?? null}::uuid[] is null or id = any(${ids ?? null}::uuid[]))
      order by id limit ${limit ?? null}
    ), open as (
      select subject, side, section, data, valid from revision
      where valid @> ${time}::timestamptz and subject in (select subject from chosen)
        and (side = 'derived' or side = 'observed' and section in ('system', 'nics', 'hostname', 'network', 'ssh', 'repos'))
    ), sides as (
      select subject,
        jsonb_object_agg(section, data) filter (where side = 'observed' and data is not null) as observed,
        jsonb_agg(data) filter (where side = 'derived' and section = 'wanted') -> 0 as wanted,
        jsonb_agg(data) filter (where side = 'derived' and section = 'state') -> 0 as state
      from open group by subject
    ), acts as (
      select distinct on (subject, topic) subject, topic, at, kind, reason, data
      from (select *, case kind when 'node.revoked' then 'revoked' when 'alarm.locked' then 'locked' else kind end as topic
            from event where at <= ${time}::timestamptz and subject in (select subject from chosen)
              and kind in ('node.state', 'node.hold', 'node.revoked', 'alarm.locked', 'node.approved',
                           'node.reachable', 'node.unreachable')) as e
      order by subject, topic, seq desc
    )
    select c.id, c.created_at, s.observed, s.wanted, s.state,
      coalesce(moved.at, c.created_at) as state_at,
      (held.data ->> 'hold')::boolean as hold,
      case when locked.at > coalesce(approved.at, '-infinity') then locked.reason end as locked,
      coalesce(revoked.at > coalesce(approved.at, '-infinity'), false) as revoked,
      case when down.at is null then null else coalesce(up.at > down.at, false) end as reachable,
      (select max(lower(r.valid)) from revision r
       where r.subject = c.subject and r.side = 'observed' and r.at <= ${time}::timestamptz) as observed_at
    from chosen c join sides s using (subject)
      left join acts moved on moved.subject = c.subject and moved.topic = 'node.state'
      left join acts held on held.subject = c.subject and held.topic = 'node.hold'
      left join acts locked on locked.subject = c.subject and locked.topic = 'locked'
      left join acts revoked on revoked.subject = c.subject and revoked.topic = 'revoked'
      left join acts approved on approved.subject = c.subject and approved.topic = 'node.approved'
      left join acts down on down.subject = c.subject and down.topic = 'node.unreachable'
      left join acts up on up.subject = c.subject and up.topic = 'node.reachable'
    where s.state is not null order by c.id`.execute(db);
  return rows.map(toNodeAt);
}

function toNodeAt(row: Row): NodeAt {
  const observed = row.observed ?? {};
  const wanted = row.wanted?.wanted ?? {};
  const { observed_name, ...hot } = hotOf(observed, wanted);
  const findings = findingsOf(row.id, wanted, observed, [], []).length;
  const node: Node = {
    id: row.id,
    name: hot.fqdn ?? observed_name ?? row.id,
    ...hot,
    ...row.state,
    state_at: row.state_at.toISOString(),
    health: healthOf(row, findings),
    addresses: addressesOf(wanted),
    findings,
    hold: row.hold ?? false,
    locked: row.locked ?? undefined,
    generation: row.wanted?.generation ?? 0,
    created_at: row.created_at.toISOString(),
    observed_at: row.observed_at?.toISOString(),
  };
  return { node, revoked: row.revoked, network: observed.network };
}

function healthOf(row: Row, findings: number): Node['health'] {
  if (row.observed_at === null) return 'unknown';
  if (row.reachable === false) return 'unreachable';
  return findings > 0 ? 'drifted' : 'ok';
}
