import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';

const AT_ONCE = 500;

/** Ends a rescue: the machine's key for it is forgotten, so that it hears of nothing but the end. Throws when none is open. */
export async function closeRescue(tx: Tx, node: string, actor: string, reason: string): Promise<void> {
  const [closed] = await forget(tx, [node]);
  if (closed === undefined) throw new Problem('conflict', `no rescue of node ${node} is open: there is nothing to end`);
  await append(tx, [], [eventOf(closed, actor, reason)]);
}

/** Background task: rescues whose time is over are on record as ended. What they allowed ended when the time did. */
export async function closeExpired(tx: Tx): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select id from node where rescue_until <= now() order by id limit ${AT_ONCE} for update skip locked`.execute(tx);
  const closed = await forget(
    tx,
    rows.map(({ id }) => id),
  );
  await append(
    tx,
    [],
    closed.map((each) => eventOf(each, 'system', 'its time is over')),
  );
}

/** Ends the rescues of these nodes, and answers the events for append(); those without one have none. */
export async function endRescues(tx: Tx, nodes: string[], actor: string, reason: string): Promise<NewEvent[]> {
  return (await forget(tx, nodes)).map((closed) => eventOf(closed, actor, reason));
}

interface Closed {
  id: string;
  operator: string;
}

async function forget(tx: Tx, nodes: string[]): Promise<Closed[]> {
  if (nodes.length === 0) return [];
  await tx.deleteFrom('node_key').where('node', 'in', nodes).where('status', '=', 'rescue').execute();
  const { rows } = await sql<Closed>`
    with open as (select id, rescue from node where id = any (${nodes}::uuid[]) and rescue is not null for update)
    update node set rescue = null, rescue_until = null from open where node.id = open.id
    returning node.id, open.rescue ->> 'operator' as operator`.execute(tx);
  return rows;
}

const eventOf = ({ id, operator }: Closed, actor: string, reason: string): NewEvent => ({
  kind: 'rescue.closed',
  subject: `node/${id}`,
  actor,
  reason,
  data: { operator },
});
