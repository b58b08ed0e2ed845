import { sql } from 'kysely';
import type { OnceStatus } from '../../shared/api/rescue-status.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import type { BootOnce } from './asked.ts';

export interface AskedOnce {
  node: string;
  target: BootOnce['target'];
  /** How long it is kept when nothing boots. */
  seconds: number;
  actor: string;
  reason: string;
}

/** What the server has seen of a node's boots. */
export interface SeenBoots {
  /** Of its newest heartbeat. */
  bootId: string | null;
  /** When its newest key came; a discovery image makes a key at every boot. */
  keyAt: Date | null;
}

/**
 * Whether the node was seen in another boot than the one it was in when this was asked for. A boot is answered many times, and
 * a machine may lose power between the answer and its start: that it was answered says nothing. Its agent, however, beats
 * with the id of its new boot, and a discovery image claims with a new key, approved or not. Every boot that is seen counts,
 * also one that went another way, so that nothing waits behind a rescue or an install. A disk without an agent is never seen:
 * then time ends it.
 */
export function isUsed({ at, boot_id }: BootOnce, { bootId, keyAt }: SeenBoots): boolean {
  return bootId !== boot_id || (keyAt !== null && keyAt.getTime() > Date.parse(at));
}

/** Says how the node's next boot goes; what was said before is forgotten. Throws for a node that is trusted no more. */
export async function askOnce(tx: Tx, { node, target, seconds, actor, reason }: AskedOnce): Promise<OnceStatus> {
  const row = await tx
    .selectFrom('node')
    .select(['state', 'revoked_at'])
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('id', '=', node)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (row.revoked_at !== null || row.state === 'retired')
    throw new Problem(
      'conflict',
      `node ${node} is ${row.state === 'retired' ? 'retired' : 'revoked'}: it starts its disk`,
    );
  const { boot_id } = (await tx
    .selectFrom('heartbeat')
    .select('boot_id')
    .where('node', '=', node)
    .executeTakeFirst()) ?? { boot_id: null };
  const at = row.now.toISOString();
  const until = new Date(row.now.getTime() + seconds * 1000).toISOString();
  const once: BootOnce = { target, by: actor, reason, at, until, boot_id };
  await tx
    .updateTable('node')
    .set({ boot_once: JSON.stringify(once) })
    .where('id', '=', node)
    .execute();
  await append(tx, [], [{ kind: 'boot.once', subject: `node/${node}`, actor, reason, data: { target, until } }]);
  return { target, by: actor, reason, at, until };
}

/** What was asked for and still counts; undefined: nothing. */
export async function onceOf(db: Reader, node: string): Promise<OnceStatus | undefined> {
  const row = await db
    .selectFrom('node')
    .leftJoin('heartbeat as h', 'h.node', 'node.id')
    .select(['boot_once', 'h.boot_id as bootId'])
    .select([newestKey.as('keyAt'), sql<Date>`clock_timestamp()`.as('now')])
    .where('node.id', '=', node)
    .executeTakeFirstOrThrow();
  const { boot_once: once } = row;
  if (once === null || isUsed(once, row) || Date.parse(once.until) <= row.now.getTime()) return undefined;
  const { boot_id: _, ...told } = once;
  return told;
}

/** When the newest key of `node.id` came. */
export const newestKey = sql<Date | null>`(select max(added_at) from node_key where node_key.node = node.id)`;
