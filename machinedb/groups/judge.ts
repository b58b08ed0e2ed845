import { sql } from 'kysely';
import { sectionsOf } from '../../shared/groups/evaluate.ts';
import type { Pattern } from '../../shared/groups/pattern.ts';
import type { Reader, Tx } from '../db.ts';
import type { Hot } from '../nodes/hot.ts';
import { groupsOf, readDefinitions } from './membership.ts';

const CHUNK = 1000;
const FIRST = '00000000-0000-0000-0000-000000000000';

interface Row extends Pick<Hot, 'mode' | 'tags'> {
  node: string;
  observed: Record<string, unknown>;
  groups: string[];
  site: string | null;
  rack: string | null;
  unit: number | null;
  role: string | null;
  model: string | null;
}

/** From now on every node is to be judged anew: the patterns have changed in this transaction. */
export async function restartJudging(tx: Tx): Promise<void> {
  await tx.updateTable('group_progress').set({ judged_to: FIRST }).execute();
}

/**
 * Judges the next 1,000 nodes by the patterns that there are now; answers whether more are left. What a report or an intent
 * changes meanwhile is judged by project(): whoever has a node's lock last has read the newest patterns. Each daemon can go on
 * where another stopped.
 */
export async function judgeSome(tx: Tx): Promise<boolean> {
  const { judged_to: after } = await tx
    .selectFrom('group_progress')
    .select('judged_to')
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (after === null) return false;
  const locked = await tx
    .selectFrom('node')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .limit(CHUNK)
    .forUpdate()
    .execute();
  const ids = locked.map(({ id }) => id);
  const definitions = await readDefinitions(tx);
  const rows = await readRows(tx, ids, [...new Set(definitions.flatMap(({ pattern }) => sectionsOf(pattern)))]);
  const changed = rows.flatMap((row) => {
    const groups = groupsOf(definitions, row.observed, hotOf(row));
    return groups.join(' ') === row.groups.join(' ') ? [] : [{ node: row.node, groups }];
  });
  await sql`
    update node_now n set groups = c.groups from json_to_recordset(${JSON.stringify(changed)}::json) as c(node uuid, groups text[])
    where n.node = c.node`.execute(tx);
  const more = ids.length === CHUNK;
  await tx
    .updateTable('group_progress')
    .set({ judged_to: more ? ids.at(-1)! : null })
    .execute();
  return more;
}

/** How many nodes would belong to a group of this pattern. */
export async function countMembers(db: Reader, pattern: Pattern): Promise<number> {
  let count = 0;
  for (let after = FIRST; ; ) {
    const nodes = await db
      .selectFrom('node_now')
      .select('node')
      .where('node', '>', after)
      .orderBy('node')
      .limit(CHUNK)
      .execute();
    const ids = nodes.map(({ node }) => node);
    const rows = await readRows(db, ids, sectionsOf(pattern));
    const definitions = [{ name: '', pattern }];
    count += rows.filter((row) => groupsOf(definitions, row.observed, hotOf(row)).length > 0).length;
    if (ids.length < CHUNK) return count;
    after = ids.at(-1)!;
  }
}

/** Only the sections that are asked for: a whole report is a hundred times as large. */
async function readRows(db: Reader, ids: string[], sections: string[]): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select node, site, rack, unit, role, mode, model, tags, groups,
      (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(observed) where key = any (${sections}::text[])) as observed
    from node_now where node = any (${ids}::uuid[])`.execute(db);
  return rows;
}

function hotOf({ site, rack, unit, role, model, mode, tags }: Row) {
  const known = { site: site ?? undefined, rack: rack ?? undefined, unit: unit ?? undefined, role: role ?? undefined };
  return { ...known, model: model ?? undefined, mode, tags };
}
