import { sql } from 'kysely';
import type { Node } from '../../shared/api/nodes.ts';
import type { Input } from '../../shared/api.ts';
import type { Reader } from '../db.ts';
import { readGroup } from '../groups/groups.ts';
import { keyForms, makeCursor, readCursor, toPage } from '../http/page.ts';
import { checkNamed } from '../places/named.ts';
import { fleetAt } from './asof.ts';
import { health, selectNodes, toNode } from './node-view.ts';
import { hasName, isNamed } from './search.ts';

type Query = Input<'listNodes'>['query'];
const CHUNK = 1000;

/** A page of nodes by id, so that a node which changes meanwhile is neither skipped nor shown twice. */
export async function listNodes(db: Reader, query: Query): Promise<{ items: Node[]; next?: string }> {
  const limit = query.limit ?? 100;
  const after = readCursor(query.cursor, keyForms.id);
  if (query.group !== undefined && query.as_of === undefined) await readGroup(db, query.group);
  if (query.as_of !== undefined) return await listThen(db, query, query.as_of, after, limit);
  let select = selectNodes(db)
    .orderBy('node.id')
    .limit(limit + 1);
  if (after !== undefined) select = select.where('node.id', '>', after);
  if (query.role !== undefined) select = select.where('n.role', '=', query.role);
  if (query.site !== undefined) select = select.where('n.site', '=', query.site);
  if (query.rack !== undefined) select = select.where('n.rack', '=', query.rack);
  if (query.state !== undefined) select = select.where('node.state', '=', query.state);
  if (query.health !== undefined) select = select.where(health, '=', query.health);
  if (query.tag !== undefined) select = select.where(sql<boolean>`n.tags @> array[${query.tag}]::text[]`);
  if (query.group !== undefined) select = select.where(sql<boolean>`n.groups @> array[${query.group}]::text[]`);
  if (query.q !== undefined) select = select.where(isNamed(query.q));
  const rows = await select.execute();
  if (rows.length === 0 && after === undefined) await checkNamed(db, query);
  return toPage(rows, limit, ({ id }) => id, toNode);
}

async function listThen(db: Reader, query: Query, time: string, after: string | undefined, limit: number) {
  const found: Node[] = [];
  const { as_of, cursor, limit: _, ...filters } = query;
  const chunk = Object.values(filters).some((filter) => filter !== undefined) ? CHUNK : limit + 1;
  let from = after;
  while (found.length <= limit) {
    const slice = await fleetAt(db, time, { after: from, limit: chunk });
    found.push(...slice.map(({ node }) => node).filter((node) => fits(node, query)));
    from = slice.at(-1)?.node.id;
    if (slice.length < chunk) break;
  }
  const items = found.slice(0, limit);
  return found.length > limit ? { items, next: makeCursor(items.at(-1)!.id) } : { items };
}

function fits(node: Node, { role, site, rack, state, health: wanted, tag, group, q }: Query): boolean {
  const texts = [node.id, node.fqdn, node.name, node.serial, node.model, ...node.macs];
  return (
    (role === undefined || node.role === role) &&
    (site === undefined || node.site === site) &&
    (rack === undefined || node.rack === rack) &&
    (state === undefined || node.state === state) &&
    (wanted === undefined || node.health === wanted) &&
    (tag === undefined || node.tags.includes(tag)) &&
    (group === undefined || node.groups.includes(group)) &&
    (q === undefined || hasName(texts, q))
  );
}
