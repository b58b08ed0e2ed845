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
  // Nobody can tell which machine it is: that is for a person, not for a rule.
  const grant = (await isQuarantined(tx, node)) ? undefined : await takeGrant(tx, checked);
  if (grant === undefined) await record();
  else await approve(tx, keys, await useGrant(tx, node, checked, grant), record);
}

/** What approves a claim by itself: a use of a join token or of an approval rule, and what comes with it. */
export interface Grant extends Pick<Approval, 'actor' | 'reason' | 'site' | 'role'> {
  /** The rule's name, and the confidence from which the place that its ports tell is taken. */
  wish?: [string, number | null];
}

/** Takes a use of the join token that a claim brings, or of the rule that it meets; undefined: a person has to approve it. */
export async function takeGrant(tx: Tx, { claim, from }: Checked): Promise<Grant | undefined> {
  const token = claim.join_token === undefined ? undefined : await useJoinToken(tx, claim.join_token);
  if (token !== undefined) {
    const { id, site, role } = token;
    return { actor: `join-token/${id}`, reason: 'join token', site, role };
  }
  const rule = await takeRule(tx, claim.hardware, from);
  if (rule === undefined) return undefined;
  const { name, site, role, take_place } = rule;
  return { actor: `rule/${name}`, reason: 'approval rule', site, role, wish: [name, take_place] };
}

/** The approval of a node's key that a grant is. */
export async function useGrant(
  tx: Tx,
  node: string,
  { fingerprint }: Checked,
  { wish, ...grant }: Grant,
): Promise<Approval> {
  if (wish !== undefined) await wishPlace(tx, node, ...wish);
  return { node, fingerprint, ...grant };
}
