import type { z } from 'zod';
import type { enrolBody, enrolReply } from '../../shared/api/agent.ts';
import type { Tx } from '../db.ts';
import type { Problem } from '../http/problem.ts';

export type Claim = z.output<typeof enrolBody>;
export type Answer = z.output<typeof enrolReply>;

/** What a transaction decided. A refusal may have written an alarm, so it is thrown only after the commit. */
export type Outcome = { answer: Answer } | { refused: Problem };

/** A claim that is fresh and signed by the key it brings. */
export interface Checked {
  claim: Claim;
  /** What the claim's signatures are over. */
  text: string;
  spki: Buffer;
  fingerprint: string;
  /** Address that the claim came from. */
  from: string;
  /** Site of the relay that carries it. */
  site?: string | undefined;
}

/**
 * Gives the node the claim's key; one that it has already gets the status.
 *
 * @param status `pending` for a key that waits beside the current one, `rescue` for one that opens only that
 */
export async function addKey(
  tx: Tx,
  node: string,
  { claim, spki, fingerprint }: Checked,
  status: 'current' | 'pending' | 'rescue',
): Promise<void> {
  await tx
    .insertInto('node_key')
    .values({ fingerprint, node, kind: claim.kind, public_key: spki, status })
    .onConflict((conflict) => conflict.column('fingerprint').doUpdateSet({ status }))
    .execute();
}

/** What a claim by this key is told. Nothing of a node's life is told to a key that is not trusted. */
export async function answerFor(tx: Tx, id: string, fingerprint: string): Promise<Outcome> {
  const row = await tx
    .selectFrom('node')
    .leftJoin('node_key', (join) => join.onRef('node_key.node', '=', 'node.id').on('fingerprint', '=', fingerprint))
    .select(['state', 'level', 'status'])
    .where('node.id', '=', id)
    .executeTakeFirstOrThrow();
  if (row.status === 'current' && row.level !== 'claimed') {
    return { answer: { node: id, fingerprint, state: row.state, status: 'approved' } };
  }
  if (row.status === 'rescue') return { answer: { node: id, fingerprint, state: row.state, status: 'rescue' } };
  const status = row.level === 'claimed' ? 'pending' : 'rekey';
  return { answer: { node: id, fingerprint, state: 'discovered', status } };
}
