import { wishPlace } from '../cabling/take-place.ts';
import type { Tx } from '../db.ts';
import { isQuarantined } from '../identity/quarantine.ts';
import { approve } from '../trust/approve.ts';
import { useJoinToken } from '../trust/join-token.ts';
import type { Keys } from '../trust/keys.ts';
import type { Checked } from './claim.ts';
import { takeRule } from './rules.ts';

/** Approves a claimed node's key when its claim brings a good join token, or meets an approval rule. */
export async function autoApprove(tx: Tx, keys: Keys, node: string, checked: Checked): Promise<void> {
  // Nobody can tell which machine it is: that is for a person, not for a rule.
  if (await isQuarantined(tx, node)) return;
  const { claim, fingerprint, from } = checked;
  const token = claim.join_token === undefined ? undefined : await useJoinToken(tx, claim.join_token);
  if (token !== undefined) {
    const actor = `join-token/${token.id}`;
    const { site, role } = token;
    await approve(tx, keys, { node, fingerprint, actor, reason: 'join token', site, role });
    return;
  }
  const rule = await takeRule(tx, claim.hardware, from);
  if (rule === undefined) return;
  const { name, site, role, take_place } = rule;
  await wishPlace(tx, node, name, take_place);
  await approve(tx, keys, { node, fingerprint, actor: `rule/${name}`, reason: 'approval rule', site, role });
}
