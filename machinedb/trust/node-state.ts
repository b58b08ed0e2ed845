import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { NewEvent, NewRevision } from '../feed/feed.ts';
import type { Level, NodeState } from '../schema.ts';

export interface StateChange {
  state?: NodeState;
  level?: Level;
}

/**
 * Moves a node's state or level, and answers the revision and the event that record it (for append()). A retired node's
 * state is stored like any other.
 */
export async function moveNode(
  tx: Tx,
  node: string,
  change: StateChange,
  actor: string,
  reason?: string,
): Promise<{ revisions: NewRevision[]; events: NewEvent[] }> {
  const before = await tx
    .selectFrom('node')
    .select(['state', 'level'])
    .where('id', '=', node)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const state = change.state ?? before.state;
  const level = change.level ?? before.level;
  if (state === before.state && level === before.level) return { revisions: [], events: [] };
  await tx
    .updateTable('node')
    .set({ state, level, ...(state === before.state ? {} : { state_at: sql<Date>`clock_timestamp()` }) })
    .where('id', '=', node)
    .execute();
  return recordMove(node, before.state, { state, level }, actor, reason);
}

/** The revision and the event that record where a node has moved to (for append()). */
export function recordMove(
  node: string,
  from: NodeState,
  { state, level }: Required<StateChange>,
  actor: string,
  reason?: string,
): { revisions: NewRevision[]; events: NewEvent[] } {
  const subject = `node/${node}`;
  return {
    revisions: [
      { subject, side: 'derived', source: 'server', section: 'state', data: { state, level }, actor, reason },
    ],
    events: state === from ? [] : [{ kind: 'node.state', subject, actor, reason, data: { from, to: state } }],
  };
}

/** Withholds secrets and intent from a node until a person decides. Answers the alarm event (for append()). */
export async function lockNode(tx: Tx, node: string, reason: string): Promise<NewEvent[]> {
  const locked = await tx
    .updateTable('node')
    .set({ locked_at: sql<Date>`clock_timestamp()`, locked_reason: reason })
    .where('id', '=', node)
    .where('locked_at', 'is', null)
    .executeTakeFirst();
  if (locked.numUpdatedRows === 0n) return [];
  return [{ kind: 'alarm.locked', subject: `node/${node}`, actor: 'system', reason }];
}
