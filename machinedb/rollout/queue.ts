import { sql } from 'kysely';
import { canonical } from '../../shared/canonical.ts';
import type { Tx } from '../db.ts';

/** Stands for nodes without a role: they share slots, too. */
export const NO_ROLE = '-';

/** A change of intent that is about more than one node. */
export interface Change {
  /** As people say it: "network of role/gpu". */
  what: string;
  actor: string;
  reason?: string | undefined;
}

/** A node whose wanted state is another now. */
export interface QueuedNode {
  node: string;
  generation: number;
  wanted: Record<string, unknown>;
}

/** Sections that say what a machine is, and of which nothing is applied by its agent. */
const notApplied = new Set(['placement', 'role', 'tags', 'image', 'cloud_init']);

/** Whether two wanted states ask different things of the machine's agent. */
export function concernsMachine(before: Record<string, unknown>, after: Record<string, unknown>): boolean {
  const applied = (wanted: Record<string, unknown>) =>
    canonical(Object.fromEntries(Object.entries(wanted).filter(([section]) => !notApplied.has(section))));
  return applied(before) !== applied(after);
}

/**
 * Lets nodes wait for their turn with a change. Without one, what changed is a node's own matter: it is held up by nothing but
 * a change that the node waits for already. Takes the roll-outs' locks; the nodes are locked by the caller.
 */
export async function queueChange(tx: Tx, nodes: QueuedNode[], change: Change | undefined): Promise<void> {
  if (nodes.length === 0) return;
  const rows = nodes.map(({ node, generation, wanted }) => ({
    ...{ node, generation },
    role: (wanted.role as { name?: string } | undefined)?.name ?? NO_ROLE,
    enforced: (wanted.mode as { mode?: string } | undefined)?.mode === 'enforce',
  }));
  const json = JSON.stringify(rows);
  const list = sql`json_to_recordset(${json}::json) as x(node uuid, generation bigint, role text, enforced boolean)`;
  const roles = new Set(rows.filter(({ enforced }) => enforced).map(({ role }) => role));
  const { rows: waited } = await sql<{ role: string }>`
    select distinct t.role from rollout_turn t join ${list} on x.node = t.node`.execute(tx);
  if (change === undefined && waited.length === 0) return;
  await lockRollouts(tx, [...roles, ...waited.map(({ role }) => role)]);
  // Where the agent may not apply, nothing waits.
  await sql`delete from rollout_turn t using ${list} where t.node = x.node and not x.enforced`.execute(tx);
  if (change === undefined) {
    await sql`
      update rollout_turn t set generation = x.generation, role = x.role, state = 'waiting' from ${list}
      where t.node = x.node and t.state in ('waiting', 'staged')`.execute(tx);
    return;
  }
  // What came of the change before is history; those that still wait for it come along.
  await sql`
    delete from rollout_turn where role = any (${[...roles]}) and state in ('applied', 'undone', 'failed')`.execute(tx);
  await sql`
    insert into rollout_turn (node, role, generation) select node, role, generation from ${list} where enforced order by node
    on conflict (node) do update set role = excluded.role, generation = excluded.generation, state = 'waiting',
      at = clock_timestamp(), reason = null, counts = true`.execute(tx);
  await sql`
    update rollout set change = ${change.what}, changed_by = ${change.actor}, changed_reason = ${change.reason ?? null},
      changed_at = clock_timestamp(), stopped_at = null, stopped_reason = null
    where role = any (${[...roles]})`.execute(tx);
}

/** Makes the roll-outs of these roles be there and locks them, in the order of their names: after nodes, before the feed. */
export async function lockRollouts(tx: Tx, roles: string[]): Promise<void> {
  const sorted = [...new Set(roles)].sort();
  if (sorted.length === 0) return;
  await sql`insert into rollout (role) select unnest(${sorted}::text[]) on conflict do nothing`.execute(tx);
  await sql`
    select from rollout where role = any (${sorted}::text[]) order by role collate "C" for update`.execute(tx);
}
