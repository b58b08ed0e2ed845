import { sql } from 'kysely';
import type { Group } from '../../shared/api/groups.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { groupName } from '../inventory/host.ts';
import { restartJudging } from './judge.ts';

interface Row {
  name: string;
  comment: string | null;
  pattern: Record<string, unknown>;
  changed_by: string;
  changed_at: Date;
  members: number;
  current: boolean;
}

/** Saved groups by name, with how many nodes belong to each. `name`: this one. */
export async function readGroups(
  db: Reader,
  { name, after = '', limit = 1 }: { name?: string; after?: string; limit?: number },
) {
  const { rows } = await sql<Row>`
    select g.name, comment, pattern, changed_by, changed_at, judged_to is null as current,
      (select count(*) from node_now n where n.groups @> array[g.name]) as members
    from saved_group g, group_progress
    where ${name === undefined ? sql`g.name > ${after}` : sql`g.name = ${name}`} order by g.name limit ${limit}`.execute(
    db,
  );
  return rows.map(toGroup);
}

function toGroup({ comment, changed_at, ...row }: Row): Group {
  return { ...row, comment: comment ?? undefined, changed_at: changed_at.toISOString() };
}

/** One saved group. Throws not_found. */
export async function readGroup(db: Reader, name: string): Promise<Group> {
  const [found] = await readGroups(db, { name });
  if (found !== undefined) return found;
  throw new Problem('not_found', `there is no group "${name}": machinedb group list shows them`);
}

/** Saves a group. Who belongs to it is judged afterwards. */
export async function storeGroup(
  tx: Tx,
  { name, pattern, comment }: { name: string; pattern: Record<string, unknown>; comment?: string | undefined },
  actor: string,
): Promise<void> {
  await checkName(tx, name);
  const values = {
    pattern: JSON.stringify(pattern),
    comment: comment ?? null,
    changed_by: actor,
    changed_at: new Date(),
  };
  await tx
    .insertInto('saved_group')
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
  await restartJudging(tx);
  await record(tx, name, { pattern, comment }, actor);
}

export async function removeGroup(tx: Tx, name: string, actor: string): Promise<void> {
  await readGroup(tx, name);
  await tx.deleteFrom('saved_group').where('name', '=', name).execute();
  await restartJudging(tx);
  await record(tx, name, null, actor);
}

/** Ansible takes fewer letters than a name has: two names must not become one group there. */
async function checkName(tx: Tx, name: string): Promise<void> {
  const others = await tx.selectFrom('saved_group').select('name').where('name', '<>', name).execute();
  const same = others.find((other) => groupName(other.name) === groupName(name));
  if (same !== undefined)
    throw new Problem(
      'conflict',
      `group "${same.name}" is ${groupName(name)} to Ansible already, as "${name}" would be: take another name`,
    );
}

async function record(tx: Tx, name: string, data: unknown, actor: string): Promise<void> {
  const subject = `group/${name}`;
  await append(
    tx,
    [{ subject, side: 'intended', source: 'operator', section: 'group', data, actor }],
    [{ kind: data === null ? 'group.deleted' : 'group.put', subject, actor, data: {} }],
  );
}
