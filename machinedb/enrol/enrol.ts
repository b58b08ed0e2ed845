import { sql } from 'kysely';
import { enrolText } from '../../shared/enrol-text.ts';
import type { Context } from '../context.ts';
import { type Tx, transaction } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { isOtherHardware, keepHardware } from '../identity/hardware.ts';
import { checkSite } from '../relays/site-nodes.ts';
import { joinRescue } from '../rescue/join.ts';
import type { Level } from '../schema.ts';
import { fingerprintOf, isSigned, readPublicKey } from '../trust/node-key.ts';
import { lockNode } from '../trust/node-state.ts';
import { checkNonce } from '../trust/nonce.ts';
import { autoApprove } from './auto-approve.ts';
import { type Answer, answerFor, type Checked, type Claim, type Outcome } from './claim.ts';
import { isPlain } from './enrolments.ts';
import { findMatches, hintsOf, lockHints } from './hints.ts';
import { createNode } from './new-node.ts';
import { bindNonce, useNonce } from './nonce-use.ts';
import { isVouched, lockStale, replaceKey, requestRekey } from './rekey.ts';

/**
 * A machine claims to be one. Rules: docs/identity.md. Throws for a claim that is not fresh, not signed, refused, or one
 * too many from its address.
 *
 * @param from address of the peer
 * @param site of the relay that carries the claim; one by a node of another site is refused as if there were none, and leaves nothing behind
 */
export async function enrol(context: Context, claim: Claim, from: string, site?: string): Promise<Answer> {
  checkNonce(context.keys, claim.nonce, context.now(), context.config.nonceLifeMs);
  const checked = { ...check(claim, from), site };
  if (isPlain(claim)) {
    const answer = await context.enrolments.put(checked);
    if (answer !== 'other') return answer;
  }
  return await settle(context, checked, async (...of) => {
    const outcome = await decide(...of);
    if (site !== undefined && 'answer' in outcome) await checkSite(of[0], outcome.answer.node, site);
    return outcome;
  });
}

/**
 * A claim that a relay took while the centre was away: over a nonce of the relay's own, and so not known to be fresh. Only one is
 * taken that its node's key vouches for, or of a machine that a person asked an install for. Throws for all others.
 *
 * @param node that the relay took it to be
 */
export async function enrolLater(context: Context, claim: Claim, node: string): Promise<Answer> {
  return await settle(context, check(claim, 'a relay, later'), async (tx, _, checked) => {
    const refused = (detail: string) => ({ refused: new Problem('forbidden', detail) });
    await lockHints(tx, [`key:${checked.fingerprint}`, ...hintsOf(claim.hardware)]);
    if (claim.rescue === true) return refused('a rescue begins with the centre only');
    const known = await tx
      .selectFrom('node_key')
      .select(['node', 'status'])
      .where('fingerprint', '=', checked.fingerprint)
      .executeTakeFirst();
    // It was delivered before, and what came of it stands.
    if (known !== undefined)
      return known.node === node
        ? await answerFor(tx, node, checked.fingerprint)
        : refused('this key is of another node');
    const matches = await findMatches(tx, claim.hardware);
    if (matches.strong.some((other) => other !== node))
      return refused('the hardware is of another node than the relay says');
    const { reinstall, installed, revoked_at, locked_at, level } = await nodeOf(tx, node);
    const isOpen = reinstall > installed && revoked_at === null && locked_at === null && level !== 'claimed';
    if (!isOpen) return refused('no install is asked for of this node any more');
    const isIt = claim.previous === undefined ? matches.node === node : claim.previous.node === node;
    if (!isIt || (claim.previous !== undefined && !(await isVouched(tx, checked))))
      return refused('neither its hardware nor the key before proves this node');
    await append(tx, [], await replaceKey(tx, node, checked, 'rekeyed'));
    return await answerFor(tx, node, checked.fingerprint);
  });
}

/** Throws for a claim that is not signed by the key it brings. */
function check(claim: Claim, from: string): Checked {
  const spki = Buffer.from(claim.public_key, 'base64');
  readPublicKey(spki, claim.kind);
  const text = enrolText(claim, claim.previous?.node);
  if (!isSigned(spki, claim.kind, text, Buffer.from(claim.signature, 'base64'))) {
    throw new Problem('unauthenticated', 'the signature is not by public_key over this claim');
  }
  return { claim, text, spki, fingerprint: fingerprintOf(spki), from };
}

async function settle(context: Context, checked: Checked, decide: Decide): Promise<Answer> {
  const outcome = await transaction(context.db, (tx) => decide(tx, context, checked));
  if ('refused' in outcome) throw outcome.refused;
  return outcome.answer;
}

type Decide = (tx: Tx, context: Context, checked: Checked) => Promise<Outcome>;

async function decide(tx: Tx, context: Context, checked: Checked): Promise<Outcome> {
  const { claim, fingerprint } = checked;
  // Claims that share the key or anything of the hardware wait for each other: exactly one of them makes the node.
  await lockHints(tx, [`key:${fingerprint}`, ...hintsOf(claim.hardware)]);
  const replayed = await useNonce(tx, claim.nonce, fingerprint);
  if (replayed !== undefined) return replayed;
  if (claim.rescue === true) return await joinRescue(tx, checked);
  const known = await tx.selectFrom('node_key').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirst();
  if (known !== undefined) return await knownKey(tx, context, checked, known);

  const matches = await findMatches(tx, claim.hardware);
  if (claim.previous !== undefined) {
    const { node: id } = claim.previous;
    if (!(await isVouched(tx, checked))) {
      const detail = 'the signature by the previous key does not prove the node it names: claim without "previous"';
      return { refused: new Problem('forbidden', detail) };
    }
    if (matches.strong.some((other) => other !== id)) {
      const detail = 'the hardware is of another node than the previous key: a person must decide';
      return { refused: new Problem('conflict', detail) };
    }
    const node = await nodeOf(tx, id);
    await bindNonce(tx, claim.nonce, id);
    return await finish(tx, context, checked, node, await replaceKey(tx, id, checked, 'rekeyed'));
  }
  if (matches.outcome === 'same') return await knownMachine(tx, context, checked, matches.node!);
  const { id, record } = await createNode(tx, context.config.pendingPerSource, checked, matches);
  await autoApprove(tx, context.keys, id, checked, record);
  return await answerFor(tx, id, fingerprint);
}

/** Records what came of a claim by a node that there is, and approves it if it waits for that. */
async function finish(
  tx: Tx,
  context: Context,
  checked: Checked,
  { id, level }: { id: string; level: Level },
  events: NewEvent[],
): Promise<Outcome> {
  const record = () => append(tx, [], events);
  if (level === 'claimed') await autoApprove(tx, context.keys, id, checked, record);
  else await record();
  return await answerFor(tx, id, checked.fingerprint);
}

/** A key that is on record belongs to its node, whatever hardware the claim tells of. */
async function knownKey(
  tx: Tx,
  context: Context,
  checked: Checked,
  known: { node: string; status: 'pending' | 'current' | 'retired' | 'revoked' | 'rescue' },
): Promise<Outcome> {
  const { claim, fingerprint } = checked;
  const id = known.node;
  const node = await nodeOf(tx, id);
  if (node.revoked_at !== null || known.status === 'revoked') return await refuseRevoked(tx, id, checked);
  if (known.status === 'rescue')
    return { refused: new Problem('forbidden', 'this key is for a rescue only: claim with a key of its own') };
  await bindNonce(tx, claim.nonce, id);
  if (isOtherHardware(id, node.hardware, claim.hardware)) {
    await append(tx, [], await lockNode(tx, id, 'its key came from other hardware: its disk was copied or moved'));
    return await answerFor(tx, id, fingerprint);
  }
  const events: NewEvent[] = [];
  if (known.status === 'retired') {
    if (node.level !== 'claimed') return await lockStale(tx, id, checked);
    events.push(...(await replaceKey(tx, id, checked, 'claimed_again')));
  }
  if (known.status === 'pending' && claim.previous?.node === id && (await isVouched(tx, checked))) {
    events.push(...(await replaceKey(tx, id, checked, 'rekeyed')));
  }
  if (known.status === 'current') events.push(...(await keepHardware(tx, id, node.hardware, claim.hardware)));
  return await finish(tx, context, checked, node, events);
}

async function knownMachine(tx: Tx, context: Context, checked: Checked, id: string): Promise<Outcome> {
  const node = await nodeOf(tx, id);
  if (node.revoked_at !== null) return await refuseRevoked(tx, id, checked);
  await bindNonce(tx, checked.claim.nonce, id);
  if (node.level !== 'claimed') {
    // A person opened the window by asking for an install: the discovery image in memory has a new key at every boot.
    if (node.reinstall <= node.installed || node.locked_at !== null) return await requestRekey(tx, id, checked);
    return await finish(tx, context, checked, node, await replaceKey(tx, id, checked, 'rekeyed'));
  }
  return await finish(tx, context, checked, node, await replaceKey(tx, id, checked, 'claimed_again'));
}

async function nodeOf(tx: Tx, id: string) {
  return await tx.selectFrom('node').selectAll().where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
}

/** A revoked machine or key comes back. It is told no, and the attempt is on record, once a minute at most. */
async function refuseRevoked(tx: Tx, id: string, { fingerprint, from }: Checked): Promise<Outcome> {
  const subject = `node/${id}`;
  const { rows } = await sql`
    select from event where subject = ${subject} and kind = 'enrol.refused' and at > now() - interval '1 minute' limit 1`.execute(
    tx,
  );
  if (rows.length === 0) {
    const data = { fingerprint, from };
    await append(tx, [], [{ kind: 'enrol.refused', subject, actor: 'system', reason: 'revoked', data }]);
  }
  return { refused: new Problem('forbidden', 'this machine was revoked: an operator can approve it again') };
}
