import type { Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { lockNode } from '../trust/node-state.ts';
import { answerFor, type Outcome } from './claim.ts';

/**
 * One nonce serves one key. The same key gets its answer again; another key freezes the node that the nonce served, since
 * somebody has seen what only that machine should. Answers undefined for a nonce that was not used yet.
 */
export async function useNonce(tx: Tx, nonce: string, fingerprint: string): Promise<Outcome | undefined> {
  const fresh = await tx
    .insertInto('nonce_use')
    .values({ nonce, fingerprint, node: null })
    .onConflict((conflict) => conflict.column('nonce').doNothing())
    .executeTakeFirst();
  if (fresh.numInsertedOrUpdatedRows === 1n) return undefined;
  const used = await tx.selectFrom('nonce_use').selectAll().where('nonce', '=', nonce).executeTakeFirstOrThrow();
  if (used.fingerprint === fingerprint) {
    return used.node === null ? undefined : await answerFor(tx, used.node, fingerprint);
  }
  if (used.node !== null) {
    const reason = 'two keys claimed with one nonce: somebody else may have seen it';
    await append(tx, [], await lockNode(tx, used.node, reason));
  }
  return { refused: new Problem('conflict', 'the nonce was used by another key: get a new one from POST /v1/nonce') };
}

/** Records which node a nonce served. */
export async function bindNonce(tx: Tx, nonce: string, node: string): Promise<void> {
  await tx.updateTable('nonce_use').set({ node }).where('nonce', '=', nonce).execute();
}
