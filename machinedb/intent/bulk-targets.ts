import { sql } from 'kysely';
import type { BulkItem } from '../../shared/api/bulk.ts';
import type { Tx } from '../db.ts';
import { readGroup } from '../groups/groups.ts';
import { Problem } from '../http/problem.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';

/** One node that an item is about. */
export interface Target {
  item: number;
  node: string;
  /** As a person calls it. */
  name: string;
  asked: BulkItem;
}

/** An item, or one node of it, that cannot be written. */
export interface Refused {
  item: number;
  node?: string;
  name: string;
  problem: Problem;
}

/** The nodes that the items are about. A node that is named twice is refused the second time: which is meant? */
export async function resolveTargets(tx: Tx, items: BulkItem[]): Promise<{ targets: Target[]; refused: Refused[] }> {
  const targets: Target[] = [];
  const refused: Refused[] = [];
  const first = new Map<string, number>();
  for (const [item, asked] of items.entries()) {
    try {
      for (const { node, name } of await nodesOf(tx, asked)) {
        const before = first.get(node);
        if (before === undefined) {
          first.set(node, item);
          targets.push({ item, node, name, asked });
        } else {
          const problem = new Problem(
            'invalid',
            `item ${before} is about the same node: put into one what it shall get`,
          );
          refused.push({ item, node, name, problem });
        }
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.push({ item, name: asked.node ?? `group ${asked.group}`, problem: error });
    }
  }
  return { targets, refused };
}

async function nodesOf(tx: Tx, { node, group }: BulkItem): Promise<{ node: string; name: string }[]> {
  if (group === undefined) return [{ node: await nodeForWrite(tx, node!), name: node! }];
  const { current } = await readGroup(tx, group);
  if (!current)
    throw new Problem(
      'conflict',
      `group "${group}" was changed just now, and its members are not known yet: try again`,
    );
  const rows = await tx
    .selectFrom('node_now')
    .select(['node', 'fqdn'])
    .where(sql<boolean>`groups @> array[${group}]::text[]`)
    .orderBy('node')
    .execute();
  return rows.map(({ node: id, fqdn }) => ({ node: id, name: fqdn ?? id }));
}
