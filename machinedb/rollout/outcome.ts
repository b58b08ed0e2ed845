import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { NewEvent } from '../feed/feed.ts';
import { lockRollouts, NO_ROLE } from './queue.ts';

export interface Outcome {
  generation: number;
  outcome: 'same' | 'planned' | 'applied' | 'undone' | 'failed';
  reason?: string | undefined;
}

const turnOf = { same: 'applied', applied: 'applied', planned: 'staged', undone: 'undone', failed: 'failed' } as const;

/**
 * Frees the slot of a node that has told, or ought to have told, what came of a generation, and notes it in the roll-out that
 * it goes with. The caller holds the node's lock. Answers the event of a roll-out that this stopped, for append().
 */
export async function settleTurn(tx: Tx, node: string, { generation, outcome, reason }: Outcome): Promise<NewEvent[]> {
  const turn = await tx.selectFrom('rollout_turn').selectAll().where('node', '=', node).executeTakeFirst();
  if (turn !== undefined) await lockRollouts(tx, [turn.role]);
  await tx.deleteFrom('apply_slot').where('node', '=', node).where('generation', '<=', generation).execute();
  await tx
    .updateTable('node')
    .set({ waits_to_apply: false })
    .where('id', '=', node)
    .where('waits_to_apply', '=', true)
    .execute();
  const state = turnOf[outcome];
  const bad = state === 'undone' || state === 'failed';
  // A later generation that holds has the change in it; one that does not hold may fail of what is the node's own.
  const concerned = turn?.generation === generation || (state === 'applied' && turn && turn.generation < generation);
  // Once applied, the change holds on this node: what fails later is the mending of drift.
  if (turn === undefined || !concerned || turn.state === state || turn.state === 'applied') return [];
  await tx
    .updateTable('rollout_turn')
    .set({ state, reason: bad ? (reason ?? 'no cause was told') : null, at: sql<Date>`clock_timestamp()` })
    .where('node', '=', node)
    .execute();
  return bad ? await stopIfBad(tx, turn.role) : [];
}

interface Failed {
  node: string;
  name: string;
  reason: string;
}

/** After so many roll-backs nobody gets a slot any more. The roll-out's lock is held. */
async function stopIfBad(tx: Tx, role: string): Promise<NewEvent[]> {
  const { stop_after, stopped_at } = await tx
    .selectFrom('rollout')
    .select(['stop_after', 'stopped_at'])
    .where('role', '=', role)
    .executeTakeFirstOrThrow();
  const { rows } = await sql<Failed>`
    select t.node, coalesce(n.fqdn, n.observed_name, t.node::text) as name, t.reason
    from rollout_turn t join node_now n on n.node = t.node
    where t.role = ${role} and t.state in ('undone', 'failed') and t.counts order by t.at, t.node`.execute(tx);
  if (stopped_at !== null || rows.length < stop_after) return [];
  const names = rows.map(({ name }) => name).join(', ');
  const reason = `${rows.length} nodes are not as the change wants them (${names}), the first because: ${rows[0]!.reason}`;
  await sql`
    update rollout set stopped_at = clock_timestamp(), stopped_reason = ${reason} where role = ${role}`.execute(tx);
  const data = { role, nodes: rows.map(({ node }) => node) };
  return [{ kind: 'rollout.stopped', subject: subjectOf(role), actor: 'system', reason, data }];
}

/** What the events of a roll-out are about. */
export function subjectOf(role: string): string {
  return role === NO_ROLE ? 'fleet' : `role/${role}`;
}
