import { sql } from 'kysely';
import type { Node } from '../../shared/api/nodes.ts';
import { sectionsOf } from '../../shared/groups/evaluate.ts';
import type { Reader } from '../db.ts';
import { type Acts, readActs } from '../feed/acts-at.ts';
import { type Definition, groupsOf, readDefinitions } from '../groups/membership.ts';
import { checkHorizon } from '../history/horizon.ts';
import type { Level, NodeState } from '../schema.ts';
import { countsAt } from './findings-at.ts';
import { hotOf } from './hot.ts';
import { addressesOf } from './node-view.ts';

/** A node at a time in the past, from revisions and events alone. */
export interface NodeAt {
  node: Node;
  revoked: boolean;
  /** Observed section `network`. */
  network: unknown;
}

export interface Slice {
  /** Only nodes with a larger id. */
  after?: string | undefined;
  limit?: number | undefined;
  /** Only these nodes. */
  ids?: string[];
  /** False: nobody asks for MAC addresses, which are half of what is read. */
  macs?: boolean;
}

interface Existing {
  id: string;
  subject: string;
  created_at: Date;
  state: { state: NodeState; level: Level };
}

/** What a node's row is made of: the sections that hotOf() and groups read, and the network. */
interface Sections {
  observed: Record<string, unknown>;
  wanted?: { wanted: Record<string, unknown>; generation: number };
}

const READ = ['system', 'nics', 'hostname', 'network'];

/**
 * All nodes as they were at a time (RFC 3339), by id. Heartbeats are kept in no history: `seen_at` and `agent_version` are
 * absent, and `observed_at` is the time of the last report that changed something. `state_at` is the time of the event,
 * milliseconds after that of the row. Throws `gone` when that past was dropped.
 */
export async function fleetAt(db: Reader, time: string, slice: Slice = {}): Promise<NodeAt[]> {
  const groups = await readDefinitions(db, time);
  const own = slice.macs === false ? READ.filter((section) => section !== 'nics') : READ;
  const read = [...own, ...groups.flatMap(({ pattern }) => sectionsOf(pattern))];
  const nodes = await readExisting(db, time, slice);
  const whole = slice.after === undefined && slice.limit === undefined && slice.ids === undefined;
  const subjects = whole ? undefined : nodes.map(({ subject }) => subject);
  // What held then does not change any more: connections of a pool read at once what one of them would read by turns.
  const [sections, reports, acts, findings] = await Promise.all([
    readSections(db, time, subjects, read),
    readReports(db, time, subjects),
    readActs(db, time, subjects),
    countsAt(db, time, whole ? undefined : nodes.map(({ id }) => id)),
  ]);
  await checkHorizon(db, time, { observed: read, derived: ['wanted', 'state', 'findings'] });
  return nodes.map((node) =>
    toNodeAt(
      node,
      sections.get(node.subject) ?? { observed: {} },
      reports.get(node.subject),
      acts.get(node.subject) ?? {},
      findings.get(node.id) ?? 0,
      groups,
    ),
  );
}

async function readExisting(db: Reader, time: string, { after, limit, ids }: Slice): Promise<Existing[]> {
  const { rows } = await sql<Existing>`
    select n.id, r.subject, n.created_at, r.data as state
    from revision r join node n on r.subject = 'node/' || n.id
    where r.valid @> ${time}::timestamptz and r.side = 'derived' and r.section = 'state' and r.data is not null
      and (${after ?? null}::uuid is null or n.id > ${after ?? null}::uuid)
      and (${ids ?? null}::uuid[] is null or n.id = any(${ids ?? null}::uuid[]))
    order by n.id limit ${limit ?? null}`.execute(db);
  return rows;
}

/** Subject → its sections. Rows are put together here: PostgreSQL takes ten times as long to aggregate JSON. */
async function readSections(
  db: Reader,
  time: string,
  subjects: string[] | undefined,
  read: string[],
): Promise<Map<string, Sections>> {
  const { rows } = await sql<{ subject: string; section: string; observed: boolean; data: unknown }>`
    select subject, section, side = 'observed' as observed, data from revision
    where valid @> ${time}::timestamptz and data is not null
      and (side = 'derived' and section = 'wanted' or side = 'observed' and section = any(${read}))
      and (${subjects ?? null}::text[] is null or subject = any(${subjects ?? null}::text[]))`.execute(db);
  const found = new Map<string, Sections>();
  for (const { subject, section, observed, data } of rows) {
    const sections = found.get(subject) ?? { observed: {} };
    found.set(subject, sections);
    if (observed) sections.observed[section] = data;
    else sections.wanted = data as Sections['wanted'] & {};
  }
  return found;
}

/** The last revision of a subject until then is one that held then: whatever ended it came later. So the past before is not read. */
async function readReports(db: Reader, time: string, subjects: string[] | undefined): Promise<Map<string, Date>> {
  const { rows } = await sql<{ subject: string; at: Date }>`
    select subject, max(at) as at from revision
    where side = 'observed' and valid @> ${time}::timestamptz
      and (${subjects ?? null}::text[] is null or subject = any(${subjects ?? null}::text[]))
    group by subject`.execute(db);
  return new Map(rows.map(({ subject, at }) => [subject, at]));
}

function toNodeAt(
  existing: Existing,
  sections: Sections,
  reported: Date | undefined,
  acts: Acts,
  findings: number,
  groups: Definition[],
): NodeAt {
  const { observed, wanted: { wanted, generation } = { wanted: {}, generation: 0 } } = sections;
  const { observed_name, ...hot } = hotOf(observed, wanted);
  const node: Node = {
    id: existing.id,
    name: hot.fqdn ?? observed_name ?? existing.id,
    ...hot,
    groups: groupsOf(groups, observed, hot),
    ...existing.state,
    state_at: (acts.moved ?? existing.created_at).toISOString(),
    health: healthOf(reported, acts.reachable, findings),
    addresses: addressesOf(wanted),
    findings,
    hold: acts.hold ?? false,
    locked: acts.locked,
    merged_into: acts.merged,
    generation,
    created_at: existing.created_at.toISOString(),
    observed_at: reported?.toISOString(),
  };
  return { node, revoked: acts.revoked ?? false, network: observed.network };
}

function healthOf(reported: Date | undefined, reachable: boolean | undefined, findings: number): Node['health'] {
  if (reported === undefined) return 'unknown';
  if (reachable === false) return 'unreachable';
  return findings > 0 ? 'drifted' : 'ok';
}
