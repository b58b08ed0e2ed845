import { canonical } from '../../shared/canonical.ts';
import type { Tx } from '../db.ts';
import { storeHints } from '../enrol/hints.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { moveNode } from '../trust/node-state.ts';
import { hardwareEvent } from './hardware.ts';
import { type Act, keysOf } from './merge.ts';
import { closeQuarantine, tellApart } from './quarantine.ts';
import type { KeyThen, Merged } from './tables.ts';

/**
 * Records that a node is a machine of its own: its doubts end, or its merge is undone. Answers the nodes that it is told
 * apart from. Throws when there is nothing to split, or when the key that came with the merge was approved since.
 */
export async function splitNode(tx: Tx, id: string, { actor, reason }: Act): Promise<string[]> {
  const node = await tx.selectFrom('node').selectAll().where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
  if (node.merged_into !== null) return await undoMerge(tx, id, node.merged_into, node.merged!, { actor, reason });
  const open = await tx
    .selectFrom('quarantine')
    .select('id')
    .where('node', '=', id)
    .where('closed_at', 'is', null)
    .execute();
  if (open.length === 0)
    throw new Problem(
      'conflict',
      `node ${id} is merged into none, and nothing about it is in doubt: machinedb quarantine list`,
    );
  const ids = open.map((row) => row.id);
  const apart = await closeQuarantine(tx, ids, { decision: 'split', by: actor, reason });
  await tellApart(tx, id, apart);
  await append(tx, [], [{ kind: 'node.split', subject: `node/${id}`, actor, reason, data: { apart } }]);
  return apart;
}

async function undoMerge(tx: Tx, id: string, into: string, merged: Merged, { actor, reason }: Act): Promise<string[]> {
  const other = await tx.selectFrom('node').selectAll().where('id', '=', into).forUpdate().executeTakeFirstOrThrow();
  const now = new Map((await keysOf(tx, into)).map((key) => [key.fingerprint, key.status]));
  const { carried } = merged;
  const approved = carried?.status === 'pending' && now.get(carried.fingerprint) === 'current';
  const trusted = carried?.status === 'current' && other.level !== 'claimed';
  if (approved || trusted || merged.keys.some(({ fingerprint }) => !now.has(fingerprint))) {
    const detail = `the key that came from node ${id} was approved for node ${into} since: revoke ${into}, and let its machine enrol again`;
    throw new Problem('conflict', detail);
  }
  // First those that go, so that at no moment two are current.
  for (const key of merged.keys) await setKey(tx, { ...key, status: 'retired' }, id);
  const replaced = merged.into.keys.filter(({ fingerprint, status }) => status !== now.get(fingerprint));
  for (const key of replaced) if (now.get(key.fingerprint) === 'retired') await setKey(tx, key, into);
  for (const key of merged.keys) await setKey(tx, key, id);

  await tx.updateTable('node').set({ merged_into: null, merged: null }).where('id', '=', id).execute();
  const node = await tx.selectFrom('node').select('hardware').where('id', '=', id).executeTakeFirstOrThrow();
  await storeHints(tx, id, node.hardware);
  // A claim since then knows better what the other one is.
  const unchanged = canonical(other.hardware) === canonical(merged.hardware);
  if (unchanged) {
    await tx
      .updateTable('node')
      .set({ hardware: JSON.stringify(merged.into.hardware) })
      .where('id', '=', into)
      .execute();
    await storeHints(tx, into, merged.into.hardware);
  }
  await tellApart(tx, id, [into]);
  const { state, level } = merged;
  const moved = await moveNode(tx, id, { state, level }, actor, reason);
  await append(tx, moved.revisions, [
    ...(unchanged ? hardwareEvent(into, other.hardware, merged.into.hardware, actor) : []),
    { kind: 'node.split', subject: `node/${id}`, actor, reason, data: { apart: [into], undone: 'merge' } },
    { kind: 'node.gave_back', subject: `node/${into}`, actor, reason, data: { to: id } },
    ...moved.events,
  ]);
  return [into];
}

async function setKey(tx: Tx, { fingerprint, status }: KeyThen, node: string): Promise<void> {
  await tx.updateTable('node_key').set({ node, status }).where('fingerprint', '=', fingerprint).execute();
}
