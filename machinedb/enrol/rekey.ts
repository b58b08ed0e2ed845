import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { hardwareEvent } from '../identity/hardware.ts';
import { isSigned } from '../trust/node-key.ts';
import { lockNode } from '../trust/node-state.ts';
import { addKey, answerFor, type Checked, type Outcome } from './claim.ts';
import { storeHints } from './hints.ts';
import { identifying } from './match.ts';

/** Whether the key that the named node has now signed this claim. A locked node's key vouches for nobody. */
export async function isVouched(tx: Tx, { claim, text }: Checked): Promise<boolean> {
  if (claim.previous === undefined) return false;
  const key = await tx
    .selectFrom('node_key')
    .innerJoin('node', 'node.id', 'node_key.node')
    .select(['public_key', 'kind'])
    .where('node', '=', claim.previous.node)
    .where('status', '=', 'current')
    .where('revoked_at', 'is', null)
    .where('locked_at', 'is', null)
    .executeTakeFirst();
  return key !== undefined && isSigned(key.public_key, key.kind, text, Buffer.from(claim.previous.signature, 'base64'));
}

/**
 * The claim's key takes the place of the node's: of an unapproved node, or when the key before vouches for it. Answers the event (for
 * append()).
 */
export async function replaceKey(
  tx: Tx,
  id: string,
  checked: Checked,
  kind: 'claimed_again' | 'rekeyed',
): Promise<NewEvent[]> {
  const { claim, fingerprint, from } = checked;
  await retire(tx, id, ['current', 'pending']);
  await addKey(tx, id, checked, 'current');
  const now = identifying(claim.hardware);
  const { hardware: before } = await tx
    .selectFrom('node')
    .select('hardware')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('node')
    .set({ hardware: JSON.stringify(now) })
    .where('id', '=', id)
    .execute();
  await storeHints(tx, id, claim.hardware);
  const subject = `node/${id}`;
  const event = { kind: `node.${kind}`, subject, actor: subject, data: { fingerprint, from } };
  return [event, ...hardwareEvent(id, before, now, subject)];
}

/** A known machine with a key that nobody vouches for: the running node goes on, a person decides. */
export async function requestRekey(tx: Tx, id: string, checked: Checked): Promise<Outcome> {
  const { fingerprint, from } = checked;
  await retire(tx, id, ['pending']);
  await addKey(tx, id, checked, 'pending');
  const reason = 'the machine came with a new key: approve its fingerprint, or look who it is';
  const data = { fingerprint, from };
  await append(tx, [], [{ kind: 'alarm.rekey', subject: `node/${id}`, actor: 'system', reason, data }]);
  return await answerFor(tx, id, fingerprint);
}

/** A key that another one replaced speaks again: an old copy of the machine is alive. */
export async function lockStale(tx: Tx, id: string, { fingerprint }: Checked): Promise<Outcome> {
  const reason = `its former key ${fingerprint} was used again: an old copy of it is alive`;
  await append(tx, [], await lockNode(tx, id, reason));
  return {
    refused: new Problem('locked', 'this key was replaced by another: the node is locked until a person decides'),
  };
}

async function retire(tx: Tx, node: string, statuses: ('current' | 'pending')[]): Promise<void> {
  await tx
    .updateTable('node_key')
    .set({ status: 'retired' })
    .where('node', '=', node)
    .where('status', 'in', statuses)
    .execute();
}
