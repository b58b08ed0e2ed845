import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { storeHints } from '../enrol/hints.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { moveNode } from '../trust/node-state.ts';
import { hardwareEvent } from './hardware.ts';
import { closeQuarantine } from './quarantine.ts';
import type { KeyThen, Merged } from './tables.ts';

export interface Act {
  actor: string;
  reason: string;
}

/**
 * Records that a node is another one. Its history stays under its own id. No trust comes with it: the newer key waits for
 * approval at the other node, as any new key of a known machine does. Throws when one of them cannot be merged.
 */
export async function mergeNodes(tx: Tx, id: string, into: string, { actor, reason }: Act): Promise<void> {
  if (id === into) throw new Problem('invalid', 'a node cannot be merged into itself: name two nodes');
  const rows = await tx
    .selectFrom('node')
    .selectAll()
    .where('id', 'in', [id, into])
    .orderBy('id')
    .forUpdate()
    .execute();
  const node = rows.find((row) => row.id === id)!;
  const other = rows.find((row) => row.id === into)!;
  for (const row of rows) {
    if (row.merged_into !== null)
      throw new Problem('conflict', `node ${row.id} is merged into ${row.merged_into}: machinedb split undoes that`);
    if (row.revoked_at !== null)
      throw new Problem('conflict', `node ${row.id} is revoked: a merge would bring its key back. Approve it first`);
    if (row.rescue !== null) throw new Problem('conflict', `a rescue of node ${row.id} is open: end it first`);
  }
  if (node.level !== 'claimed' && other.level === 'claimed')
    throw new Problem('conflict', `node ${id} is approved and ${into} is not: merge ${into} into ${id}`);
  await refuseBound(tx, id);

  const [keys, otherKeys] = [await keysOf(tx, id), await keysOf(tx, into)];
  const carried = await carryKeys(tx, id, into, other.level === 'claimed');
  const hardware = carried === undefined ? other.hardware : node.hardware;
  const merged: Merged = {
    state: node.state,
    level: node.level,
    keys,
    into: { hardware: other.hardware, keys: otherKeys },
    hardware,
    ...(carried === undefined ? {} : { carried }),
  };
  await tx
    .updateTable('node')
    .set({ hardware: JSON.stringify(hardware) })
    .where('id', '=', into)
    .execute();
  await tx.deleteFrom('node_hint').where('node', '=', id).execute();
  await storeHints(tx, into, hardware);
  await tx.deleteFrom('finding').where('node', '=', id).execute();
  await tx.updateTable('node_now').set({ findings: 0 }).where('node', '=', id).execute();
  const moved = await moveNode(tx, id, { state: 'retired' }, actor, reason);
  await tx
    .updateTable('node')
    .set({ merged_into: into, merged: JSON.stringify(merged) })
    .where('id', '=', id)
    .execute();
  await closeQuarantine(tx, await doubtsBetween(tx, id, into), { decision: 'merged', by: actor, reason });
  await sql`delete from node_apart where a = least(${id}::uuid, ${into}::uuid) and b = greatest(${id}::uuid, ${into}::uuid)`.execute(
    tx,
  );
  await append(tx, moved.revisions, [
    ...hardwareEvent(into, other.hardware, hardware, actor),
    { kind: 'node.merged', subject: `node/${id}`, actor, reason, data: { into, key: carried } },
    { kind: 'node.took_over', subject: `node/${into}`, actor, reason, data: { from: id, key: carried } },
    ...moved.events,
  ]);
}

/** What only one node can have does not move by itself: a person takes it away first, or merges the other way round. */
async function refuseBound(tx: Tx, id: string): Promise<void> {
  const { rows } = await sql<{ what: string }>`
    select 'the address ' || host(address) as what from allocation where node = ${id}
    union all select 'a place in rack ' || rack from placement where node = ${id}
    union all select 'the intended MAC ' || mac from intended_mac where node = ${id}
    union all select 'the name ' || fqdn from node_now where node = ${id} and fqdn is not null
    limit 1`.execute(tx);
  if (rows[0] === undefined) return;
  const detail = `node ${id} has ${rows[0].what}: merge the other way round, or take its intent away and release its addresses first`;
  throw new Problem('conflict', detail);
}

/** A node's keys and what each is now. */
export async function keysOf(tx: Tx, node: string): Promise<KeyThen[]> {
  return await tx
    .selectFrom('node_key')
    .select(['fingerprint', 'status'])
    .where('node', '=', node)
    .orderBy('fingerprint')
    .execute();
}

/**
 * Moves a node's keys to another. Its live key, when newer than what is there, waits for approval; at a node that nobody has
 * approved it takes the place of the key before, as a newer claim would. Answers that key.
 */
async function carryKeys(tx: Tx, id: string, into: string, unapproved: boolean): Promise<KeyThen | undefined> {
  const live = (node: string) =>
    tx
      .selectFrom('node_key')
      .select(['fingerprint', 'added_at'])
      .where('node', '=', node)
      .where('status', 'in', ['current', 'pending'])
      .orderBy('added_at', 'desc')
      .limit(1)
      .executeTakeFirst();
  const [mine, theirs] = [await live(id), await live(into)];
  const newer = mine !== undefined && (theirs === undefined || mine.added_at >= theirs.added_at);
  await tx
    .updateTable('node_key')
    .set({ status: 'retired' })
    .where('node', '=', id)
    .where('status', 'in', ['current', 'pending'])
    .execute();
  await tx.updateTable('node_key').set({ node: into }).where('node', '=', id).execute();
  if (!newer) return undefined;
  const status = unapproved ? 'current' : 'pending';
  await tx
    .updateTable('node_key')
    .set({ status: 'retired' })
    .where('node', '=', into)
    .where('status', 'in', unapproved ? ['current', 'pending'] : ['pending'])
    .execute();
  await tx.updateTable('node_key').set({ status }).where('fingerprint', '=', mine.fingerprint).execute();
  return { fingerprint: mine.fingerprint, status };
}

/** Open doubts of the node, and those of the other that it is the only candidate of. */
async function doubtsBetween(tx: Tx, id: string, into: string): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from quarantine where closed_at is null and (node = ${id}
      or (node = ${into} and candidates @> ${JSON.stringify([{ node: id }])}::jsonb))`.execute(tx);
  return rows.map((row) => row.id);
}
