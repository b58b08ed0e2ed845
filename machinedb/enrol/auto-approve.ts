import { wishPlace } from '../cabling/take-place.ts';
import type { Tx } from '../db.ts';
import { isQuarantined } from '../identity/quarantine.ts';
import { type Approval, approve } from '../trust/approve.ts';
import { useJoinToken } from '../trust/join-token.ts';
import type { Keys } from '../trust/keys.ts';
import type { Checked } from './claim.ts';
import { takeRule } from './rules.ts';

/**
 * Approves a claimed node's key when its claim brings a good join token, or meets an approval rule.
 *
 * @param record what is to be recorded of the claim itself: before the approval, but after all locks, since it takes the feed's
 */
export async function autoApprove(
  tx: Tx,
  keys: Keys,
  node: string,
  checked: Checked,
  record: () => Promise<unknown>,
): Promise<void> {
  const approval = await approvalOf(tx, node, checked);
  if (approval === undefined) await record();
  else await approve(tx, keys, approval, record);
}

async function approvalOf(tx: Tx, node: string, checked: Checked): Promise<Approval | undefined> {
  // Nobody can tell which machine it is: that is for a person, not for a rule.
  if (await isQuarantined(tx, node)) return undefined;
  const { claim, fingerprint, from } = checked;
  const token = claim.join_token === undefined ? undefined : await useJoinToken(tx, claim.join_token);
  if (token !== undefined) {
    const actor = `join-token/${token.id}`;
    const { site, role } = token;
    return { node, fingerprint, actor, reason: 'join token', site, role };
  }
  const rule = await takeRule(tx, claim.hardware, from);
  if (rule === undefined) return undefined;
  const { name, site, role, take_place } = rule;
  await wishPlace(tx, node, name, take_place);
  return { node, fingerprint, actor: `rule/${name}`, reason: 'approval rule', site, role };
}
