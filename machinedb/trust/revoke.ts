import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { endRescues } from '../rescue/close.ts';
import { moveNode } from './node-state.ts';

/** Distrusts all keys of a node at once; its tokens are refused from now on. */
export async function revoke(tx: Tx, node: string, actor: string, reason: string): Promise<void> {
  await tx.updateTable('node').set({ revoked_at: sql<Date>`clock_timestamp()` }).where('id', '=', node).execute();
  await tx
    .updateTable('node_key')
    .set({ status: 'revoked' })
    .where('node', '=', node)
    .where('status', 'in', ['current', 'pending'])
    .execute();
  const ended = await endRescues(tx, [node], actor, 'the node was revoked');
  const moved = await moveNode(tx, node, { level: 'claimed' }, actor, reason);
  await append(tx, moved.revisions, [
    { kind: 'node.revoked', subject: `node/${node}`, actor, reason },
    ...ended,
    ...moved.events,
  ]);
}
