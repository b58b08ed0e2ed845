import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { findApplied } from '../install/applied.ts';
import { type Outcome, settleTurn } from './outcome.ts';
import { lockRollouts } from './queue.ts';

const AT_ONCE = 500;

interface Expired {
  node: string;
  generation: number;
  role: string;
  /** Role of the node's turn. */
  turn: string | null;
  seconds: number;
}

/** Background task: a node that has not told in time what came of its apply counts as failed, and another gets its slot. */
export async function expireSlots(tx: Tx): Promise<void> {
  // A node that is being written to is not silent: its turn comes with the next run.
  const { rows: locked } = await sql<{ id: string }>`
    select id from node where id in (
      select node from apply_slot where until < clock_timestamp() order by until limit ${AT_ONCE})
    order by id for update skip locked`.execute(tx);
  const ids = locked.map(({ id }) => id);
  const { rows } = await sql<Expired>`
    select s.node, s.generation, s.role, t.role as turn, round(extract(epoch from s.until - s.since))::int as seconds
    from apply_slot s left join rollout_turn t on t.node = s.node
    where s.node = any (${ids}::uuid[]) and s.until < clock_timestamp() order by s.node`.execute(tx);
  await lockRollouts(
    tx,
    rows.flatMap(({ role, turn }) => (turn === null ? [role] : [role, turn])),
  );
  const events: NewEvent[] = [];
  for (const { node, generation, seconds } of rows) {
    const reason = `its agent began, and told nothing within ${seconds} s: look at the node's console and its network`;
    const outcome: Outcome = { generation, outcome: 'failed', reason };
    const stopped = await settleTurn(tx, node, outcome);
    events.push(...(await findApplied(tx, node, { ...outcome, steps: [] }, 'system')), ...stopped);
  }
  await append(tx, [], events);
}
