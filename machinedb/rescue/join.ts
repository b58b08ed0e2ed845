import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { addKey, answerFor, type Checked, type Outcome } from '../enrol/claim.ts';
import { findMatches } from '../enrol/hints.ts';
import { bindNonce } from '../enrol/nonce-use.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';

/**
 * A machine that was booted for a rescue claims a key for it. A person opened that window; the node's own key, which is on its
 * disk, stays as it is. The newest claim has it, as with an install: the machine may be booted again. Call lockHints() before.
 */
export async function joinRescue(tx: Tx, checked: Checked): Promise<Outcome> {
  const { claim, fingerprint, from } = checked;
  const { node: id } = await findMatches(tx, claim.hardware);
  if (id === undefined) {
    const detail = 'the hardware of this machine is that of no node, or of several: a person must look';
    return { refused: new Problem('conflict', detail) };
  }
  const node = await tx
    .selectFrom('node')
    .select('id')
    .where('id', '=', id)
    .where('rescue_until', '>', sql<Date>`clock_timestamp()`)
    .where('revoked_at', 'is', null)
    .where('locked_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  const known = await tx.selectFrom('node_key').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirst();
  const isOther = known !== undefined && (known.node !== id || known.status !== 'rescue');
  if (node === undefined || isOther) {
    const detail = 'no rescue of this machine is open: it boots as before';
    return { refused: new Problem('forbidden', detail) };
  }
  await bindNonce(tx, claim.nonce, id);
  if (known === undefined) {
    await tx.deleteFrom('node_key').where('node', '=', id).where('status', '=', 'rescue').execute();
    await addKey(tx, id, checked, 'rescue');
    // This was the next boot, whatever way was asked for.
    await tx.updateTable('node').set({ boot_once: null }).where('id', '=', id).execute();
    const subject = `node/${id}`;
    await append(tx, [], [{ kind: 'rescue.joined', subject, actor: subject, data: { fingerprint, from } }]);
  }
  return await answerFor(tx, id, fingerprint);
}
