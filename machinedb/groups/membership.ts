import { sql } from 'kysely';
import { belongs, type Facts } from '../../shared/groups/evaluate.ts';
import type { Pattern } from '../../shared/groups/pattern.ts';
import type { Reader } from '../db.ts';
import type { Hot } from '../nodes/hot.ts';

/** A saved group as it decides who belongs to it. */
export interface Definition {
  name: string;
  pattern: Pattern;
}

/** All saved groups; `at`: those that there were at that time (RFC 3339). */
export async function readDefinitions(db: Reader, at?: string): Promise<Definition[]> {
  if (at === undefined) {
    const rows = await db.selectFrom('saved_group').select(['name', 'pattern']).orderBy('name').execute();
    return rows.map(({ name, pattern }) => ({ name, pattern: pattern as Pattern }));
  }
  const { rows } = await sql<Definition>`
    select substr(subject, 7) as name, data -> 'pattern' as pattern from revision
    where subject like 'group/%' and side = 'intended' and section = 'group' and data is not null
      and valid @> ${at}::timestamptz
    order by name`.execute(db);
  return rows;
}

/** The names of the groups that a node belongs to, sorted as the definitions are. */
export function groupsOf(
  definitions: Definition[],
  observed: Facts,
  hot: Omit<NodeFacts, 'tags'> & { tags: string[] },
): string[] {
  if (definitions.length === 0) return [];
  const { site, rack, unit, role, mode, model } = hot;
  const tags = Object.fromEntries(hot.tags.map((tag) => [tag, true]));
  const facts = { ...observed, node: { site, rack, unit, role, mode, model, tags } };
  return definitions.filter(({ pattern }) => belongs(pattern, facts)).map(({ name }) => name);
}

type NodeFacts = Pick<Hot, 'site' | 'rack' | 'unit' | 'role' | 'mode' | 'model' | 'tags'>;
