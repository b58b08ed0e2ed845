import { sql } from 'kysely';
import type { Reply } from '../../shared/api.ts';
import type { Tx } from '../db.ts';
import { lockRollouts } from './queue.ts';

type Answer = Reply<'askSelfSlot'>;

/**
 * Whether a node may apply a generation of its wanted state now; if it goes with a change of its role, it gets a slot of that.
 * Asking again is safe. A node that is told to wait is given a hint by its heartbeats when to ask again.
 *
 * @param limitMs how long it may take, besides the time that its intent gives a change to be confirmed in
 */
export async function askSlot(tx: Tx, node: string, generation: number, limitMs: number): Promise<Answer> {
  await tx.selectFrom('node').select('id').where('id', '=', node).forUpdate().execute();
  const answer = await decide(tx, node, generation, limitMs);
  await tx
    .updateTable('node')
    .set({ waits_to_apply: !answer.go })
    .where('id', '=', node)
    .where('waits_to_apply', '<>', !answer.go)
    .execute();
  return answer;
}

/** SQL, of `node` and its node_now `n`: the node was told to wait, and it is worth asking again. */
export const mayApply = sql<boolean>`(node.waits_to_apply and not node.hold and not exists (select from fleet where hold) and not exists (
  select from rollout_turn t join rollout r on r.role = t.role
  where t.node = node.id and t.generation = n.generation and t.state in ('waiting', 'undone', 'failed')
    and (r.stopped_at is not null or r.slots <= (select count(*) from apply_slot s where s.role = r.role))))`;

async function decide(tx: Tx, node: string, generation: number, limitMs: number): Promise<Answer> {
  const row = await tx
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .leftJoin('rollout_turn as t', (join) =>
      join.onRef('t.node', '=', 'node.id').onRef('t.generation', '=', 'n.generation'),
    )
    .select([
      'node.state',
      'hold',
      'hold_reason',
      'locked_reason',
      'n.generation',
      'wanted',
      't.role',
      't.state as turn',
    ])
    .select(sql<string | null>`(select coalesce(hold_reason, '') from fleet where hold)`.as('fleet_hold'))
    .where('node.id', '=', node)
    .executeTakeFirstOrThrow();
  if (row.locked_reason !== null) return wait(`the node is locked: ${row.locked_reason}`);
  if (row.fleet_hold !== null) return wait(`the fleet is on hold: ${row.fleet_hold}`);
  if (row.hold) return wait(`the node is on hold: ${row.hold_reason}`);
  if (row.generation !== generation) return wait(`generation ${row.generation} is wanted by now`);
  // What a machine is after its install, what is its own, and what it has applied already concerns no other.
  const alone = row.state === 'configuring' || row.turn === 'applied' || row.turn === 'staged';
  if (alone || row.role === null) return { go: true };
  const confirmS = (row.wanted.network as Confirmed | undefined)?.unobserved?.confirm_within_s ?? 0;
  return await takeSlot(tx, { node, generation, role: row.role, limitMs: limitMs + confirmS * 1000 });
}

interface Confirmed {
  unobserved?: { confirm_within_s?: number };
}

/** A slot of the node's role, if one is free and the roll-out goes on. */
async function takeSlot(
  tx: Tx,
  { node, generation, role, limitMs }: { node: string; generation: number; role: string; limitMs: number },
): Promise<Answer> {
  await lockRollouts(tx, [role]);
  const { slots, stopped_reason } = await tx
    .selectFrom('rollout')
    .select(['slots', 'stopped_reason'])
    .where('role', '=', role)
    .executeTakeFirstOrThrow();
  if (stopped_reason !== null) return wait(`the roll-out of role ${role} is stopped: ${stopped_reason}`);
  const { taken } = await tx
    .selectFrom('apply_slot')
    .select((eb) => eb.fn.countAll<number>().as('taken'))
    .where('role', '=', role)
    .where('node', '<>', node)
    .executeTakeFirstOrThrow();
  if (taken >= slots)
    return wait(`${taken} of role ${role} ${taken === 1 ? 'applies' : 'apply'} now, and no more may at the same time`);
  await sql`
    insert into apply_slot (node, role, generation, until)
    values (${node}, ${role}, ${generation}, clock_timestamp() + make_interval(secs => ${limitMs / 1000}))
    on conflict (node) do update set role = excluded.role, generation = excluded.generation, since = excluded.since,
      until = excluded.until`.execute(tx);
  return { go: true };
}

function wait(reason: string): Answer {
  return { go: false, reason };
}
