import { sql } from 'kysely';
import type { IntentSection } from '../../shared/api/intent.ts';
import type { Plan } from '../../shared/api/row.ts';
import { Overtaken, type Reader, type Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { holdArrivals } from '../nodes/arrivals.ts';
import type { Change } from '../rollout/queue.ts';
import type { Keys } from '../trust/keys.ts';
import { checkIntent, nodeOnly } from './intent-check.ts';
import { inherited, type Pending, readIntents } from './layers.ts';
import { project } from './project.ts';

/** One section of one subject's intent as it shall be. `data` null: it goes away. */
export interface IntentChange {
  subject: string;
  section: IntentSection;
  data: unknown;
  /** Headers If-Match and If-None-Match of the write; `'any'` for acts that merge with what is there. */
  precondition: { ifMatch?: string | undefined; ifNoneMatch?: string | undefined } | 'any';
}

export interface WriteOptions {
  actor: string;
  reason?: string | undefined;
  /** Refuse when more nodes would change. */
  maxAffected?: number | undefined;
  applied: boolean;
  /** Kind of the event that records the act, beside the revisions. */
  event?: { kind: string; subject: string; data?: Record<string, unknown> };
}

/** Writes intents in the caller's transaction, with all that follows from them. Throws when one is wrong or stale. */
export async function writeIntents(tx: Tx, keys: Keys, list: IntentChange[], options: WriteOptions): Promise<Plan> {
  for (const change of list) await checkIntent(tx, change);
  const subjects = [...new Set(list.map(({ subject }) => subject))];
  await lockSubjects(tx, subjects, list.flatMap(joinedBy));
  // Nodes before the feed's lock: reports take them in the same order.
  const nodes = await lockAffected(tx, subjects);
  for (const change of list) await checkPrecondition(tx, change);
  const { actor, reason, event } = options;
  const projected = await project(tx, keys, nodes, actor, {
    pending: toPending(list),
    change: toChange(list, options),
  });
  const affected = projected.affected.length;
  checkAffected(affected, options.maxAffected);
  const common = { side: 'intended', source: 'operator', actor, reason } as const;
  const intended = list.map(({ subject, section, data }) => ({ ...common, subject, section, data }));
  const written = await append(
    tx,
    [...intended, ...projected.revisions],
    event === undefined ? [] : [{ ...event, actor, reason }],
  );
  // The feed's lock is held now: a node that was made meanwhile has been committed, and is seen here.
  const known = new Set(nodes);
  if ((await affectedBy(tx, subjects)).some((id) => !known.has(id)))
    throw new Overtaken('nodes were made meanwhile', holdArrivals);
  const last = written.revisions[list.length - 1] ?? (await openRevision(tx, list.at(-1)!));
  return {
    applied: options.applied,
    affected,
    nodes: projected.nodes,
    ...(last === undefined || !options.applied ? {} : { etag: `"${last.seq}"` }),
  };
}

/** Throws when a write would change more nodes than it may. */
export function checkAffected(affected: number, most: number | undefined): void {
  if (most === undefined || affected <= most) return;
  throw new Problem(
    'blast_radius',
    `${affected} nodes would change, and max_affected is ${most}: look at the dry run, then raise it`,
  );
}

function toPending(list: IntentChange[]): Pending {
  const pending: Pending = new Map();
  for (const { subject, section, data } of list) pending.set(subject, { ...pending.get(subject), [section]: data });
  return pending;
}

/** What of these intents is about more than single nodes. */
function toChange(list: IntentChange[], { actor, reason }: WriteOptions): Change | undefined {
  const wide = list.filter(({ subject }) => !subject.startsWith('node/'));
  const what = wide.map(({ section, subject }) => `${section} of ${subject}`).join(', ');
  return wide.length === 0 ? undefined : { what, actor, reason };
}

/** The subjects that a node comes to inherit from. */
export function joinedBy({ section, data }: IntentChange): string[] {
  return nodeOnly.has(section) && data !== null ? inherited({ [section]: data }) : [];
}

async function checkPrecondition(tx: Reader, change: IntentChange): Promise<void> {
  if (change.precondition === 'any') return;
  const { ifMatch, ifNoneMatch } = change.precondition;
  const open = await openRevision(tx, change);
  const thing = `${change.section} of ${change.subject}`;
  if (ifNoneMatch === '*' && open !== undefined)
    throw new Problem('stale', `${thing} is there already (version "${open.seq}"): read it, then write with If-Match`);
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== `"${open?.seq}"`) {
    throw new Problem(
      'stale',
      `${thing} is ${open === undefined ? 'not there any more' : `version "${open.seq}" now`}, not ${ifMatch}: read it again and decide anew`,
    );
  }
  if (ifMatch === '*' && open === undefined) throw new Problem('stale', `${thing} is not there`);
  if (open !== undefined && ifMatch === undefined) {
    throw new Problem(
      'precondition_required',
      `${thing} is there already: name the version you replace (If-Match: "${open.seq}")`,
    );
  }
  if (open === undefined && change.data === null) throw new Problem('not_found', `there is no ${thing}`);
}

async function openRevision(db: Reader, { subject, section }: IntentChange): Promise<{ seq: number } | undefined> {
  return (await readIntents(db, [subject])).find((open) => open.section === section);
}

/**
 * Makes writers of the same subjects wait for each other, to the end of the transaction. Whoever merges with an intent
 * takes it before reading; nodes are locked after it.
 *
 * @param joined subjects that a node comes to inherit from: their writers wait, too, or would not know of the node
 */
export async function lockSubjects(tx: Tx, subjects: string[], joined: string[] = []): Promise<void> {
  const written = new Set(subjects);
  for (const subject of [...new Set([...subjects, ...joined])].sort()) {
    const key = sql`hashtextextended(${subject}, 7101)`;
    await (written.has(subject)
      ? sql`select pg_advisory_xact_lock(${key})`
      : sql`select pg_advisory_xact_lock_shared(${key})`
    ).execute(tx);
  }
}

/** Locks, in id order, the nodes that inherit from the subjects; answers their ids. */
async function lockAffected(tx: Tx, subjects: string[]): Promise<string[]> {
  const ids = await affectedBy(tx, subjects);
  await sql`select from node where id = any (${ids}::uuid[]) order by id for update`.execute(tx);
  return ids;
}

/** The nodes that inherit from any of the subjects, in id order. Each kind of subject is looked up by its index. */
async function affectedBy(tx: Tx, subjects: string[]): Promise<string[]> {
  const of = (kind: string) =>
    subjects.filter((subject) => subject.startsWith(`${kind}/`)).map((subject) => subject.slice(kind.length + 1));
  // No name has a colon.
  const racks = of('rack').map((rack) => rack.split(':'));
  const ways = {
    node: sql`select node from node_now where node = any (${of('node')}::uuid[])`,
    site: sql`select node from node_now where site = any (${of('site')})`,
    role: sql`select node from node_now where role = any (${of('role')})`,
    rack: sql`
      select node from unnest(${racks.map(([site]) => site)}::text[], ${racks.map(([, name]) => name)}::text[]) as r(site, name)
      join node_now n on n.site = r.site and n.rack = r.name`,
  };
  const used = Object.entries(ways).flatMap(([kind, way]) => (of(kind).length > 0 ? [way] : []));
  if (used.length === 0 && !subjects.includes('fleet')) return [];
  const { rows } = await sql<{ node: string }>`
    ${subjects.includes('fleet') ? sql`select node from node_now` : sql.join(used, sql` union `)} order by node`.execute(
    tx,
  );
  return rows.map(({ node }) => node);
}
