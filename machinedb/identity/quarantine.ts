import { type Selectable, sql } from 'kysely';
import type { Quarantined } from '../../shared/api/identity.ts';
import type { Reader, Tx } from '../db.ts';
import type { NewEvent } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import type { Decision, QuarantineTable } from './tables.ts';
import type { Candidate } from './verdict.ts';

const CANDIDATES = 20;

export interface Doubt {
  node: string;
  kind: 'claim' | 'part';
  /** Of a part: kind, serial and model. */
  key?: string;
  why: string;
  candidates: Candidate[];
}

/** Puts a doubt before people, unless the same is before them already. Answers whether it is new. */
export async function openQuarantine(tx: Tx, { node, kind, key = '', why, candidates }: Doubt): Promise<boolean> {
  const shown = JSON.stringify(candidates.slice(0, CANDIDATES));
  const made = await tx
    .insertInto('quarantine')
    .values({ node, kind, key, why, candidates: shown })
    .onConflict((conflict) => conflict.columns(['node', 'kind', 'key']).where('closed_at', 'is', null).doNothing())
    .executeTakeFirst();
  return made.numInsertedOrUpdatedRows === 1n;
}

/** Whether nobody has decided yet which node this is: such a node is approved by nobody. */
export async function isQuarantined(db: Reader, node: string): Promise<boolean> {
  const row = await db
    .selectFrom('quarantine')
    .select('id')
    .where('node', '=', node)
    .where('kind', '=', 'claim')
    .where('closed_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

export interface Closing {
  decision: Decision;
  by: string;
  reason: string;
}

/** Closes open doubts; answers the nodes that each named. */
export async function closeQuarantine(tx: Tx, ids: number[], { decision, by, reason }: Closing): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .updateTable('quarantine')
    .set({ closed_at: sql<Date>`clock_timestamp()`, decision, decided_by: by, reason })
    .where('id', 'in', ids)
    .where('closed_at', 'is', null)
    .returning('candidates')
    .execute();
  return [...new Set(rows.flatMap(({ candidates }) => candidates.map(({ node }) => node)))];
}

/** Records that a person holds two nodes for two machines. */
export async function tellApart(tx: Tx, node: string, others: string[]): Promise<void> {
  const pairs = others.filter((other) => other !== node).map((other) => (node < other ? [node, other] : [other, node]));
  if (pairs.length === 0) return;
  await sql`
    insert into node_apart (a, b) select a, b from unnest(${pairs.map(([a]) => a)}::uuid[], ${pairs.map(([, b]) => b)}::uuid[]) as p(a, b)
    where exists (select from node where id = a) and exists (select from node where id = b)
    on conflict do nothing`.execute(tx);
}

/** The event that tells of a new doubt. */
export function doubtEvent({ node, kind, key, why, candidates }: Doubt, similar: string[] = []): NewEvent {
  const nodes = [...candidates.map((each) => each.node), ...similar];
  const data = { nodes: nodes.slice(0, CANDIDATES), count: nodes.length, quarantine: kind, ...(key ? { key } : {}) };
  return { kind: 'alarm.identity', subject: `node/${node}`, actor: 'system', reason: why, data };
}

interface Query {
  /** Only of this node. */
  node?: string | undefined;
  /** Those that were decided, too. */
  closed?: boolean | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

/** Doubts, the newest first. */
export async function listQuarantine(
  db: Reader,
  { node, closed = false, cursor, limit = 100 }: Query,
): Promise<{ items: Quarantined[]; next?: string }> {
  const before = Number(readCursor(cursor, keyForms.seq) ?? Number.MAX_SAFE_INTEGER);
  let select = db
    .selectFrom('quarantine as q')
    .selectAll()
    .where('q.id', '<', before)
    .orderBy('q.id', 'desc')
    .limit(limit + 1);
  if (node !== undefined) select = select.where('q.node', '=', node);
  if (!closed) select = select.where('q.closed_at', 'is', null);
  const rows = await select.execute();
  const names = await namesOf(
    db,
    rows.flatMap((row) => [row.node, ...row.candidates.map((each) => each.node)]),
  );
  return toPage(
    rows,
    limit,
    ({ id }) => String(id),
    (row) => toQuarantined(row, names),
  );
}

async function namesOf(db: Reader, ids: string[]): Promise<Map<string, string>> {
  const rows = await db
    .selectFrom('node_now')
    .select(['node', sql<string>`coalesce(fqdn, observed_name, node::text)`.as('name')])
    .where('node', 'in', [...new Set(ids), '00000000-0000-0000-0000-000000000000'])
    .execute();
  return new Map(rows.map(({ node, name }) => [node, name]));
}

function toQuarantined(row: Selectable<QuarantineTable>, names: Map<string, string>): Quarantined {
  const name = (id: string) => names.get(id) ?? id;
  return {
    id: row.id,
    node: row.node,
    name: name(row.node),
    kind: row.kind,
    part: row.key === '' ? undefined : row.key,
    why: row.why,
    candidates: row.candidates.map((each) => ({ ...each, name: name(each.node) })),
    opened_at: row.opened_at.toISOString(),
    ...(row.closed_at === null
      ? {}
      : {
          closed: {
            at: row.closed_at.toISOString(),
            decision: row.decision!,
            by: row.decided_by ?? '',
            reason: row.reason ?? '',
          },
        }),
  };
}
