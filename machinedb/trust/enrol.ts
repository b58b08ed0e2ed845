import type { z } from 'zod';
import type { enrolBody, enrolReply } from '../../shared/api/agent.ts';
import { enrolText } from '../../shared/enrol-text.ts';
import type { Context } from '../context.ts';
import { type Tx, transaction } from '../db.ts';
import { append, type NewEvent } from '../feed.ts';
import { Problem } from '../problem.ts';
import { approve } from './approve.ts';
import { findMatches, storeHints } from './hints.ts';
import { useJoinToken } from './join-token.ts';
import { identifying } from './match.ts';
import { fingerprintOf, isSigned, readPublicKey } from './node-key.ts';
import { lockNode } from './node-state.ts';
import { checkNonce } from './nonce.ts';
import { takeRule } from './rules.ts';

type Claim = z.output<typeof enrolBody>;
type Answer = z.output<typeof enrolReply>;
/** What a transaction decided. A refusal may have written something, so it is thrown only after the commit. */
type Outcome = { answer: Answer } | { refused: Problem };

interface Checked {
  claim: Claim;
  spki: Buffer;
  fingerprint: string;
  /** Address that the claim came from. */
  from: string;
}

/**
 * A machine claims to be one. Rules: docs/identity.md. Throws for a claim that is not fresh, not signed, refused, or one
 * too many from its address.
 */
export async function enrol(context: Context, claim: Claim, from: string): Promise<Answer> {
  checkNonce(context.keys, claim.nonce, context.now(), context.config.nonceLifeMs);
  const spki = Buffer.from(claim.public_key, 'base64');
  readPublicKey(spki, claim.kind);
  const text = enrolText(claim, claim.previous?.node);
  if (!isSigned(spki, claim.kind, text, Buffer.from(claim.signature, 'base64'))) {
    throw new Problem('unauthenticated', 'the signature is not by public_key over this claim');
  }
  const checked = { claim, spki, fingerprint: fingerprintOf(spki), from };
  const outcome = await transaction(context.db, (tx) => decide(tx, context, checked, text));
  if ('refused' in outcome) throw outcome.refused;
  return outcome.answer;
}

async function decide(tx: Tx, context: Context, checked: Checked, text: string): Promise<Outcome> {
  const { claim, fingerprint } = checked;
  const reused = await recordNonce(tx, claim.nonce, fingerprint);
  if (reused !== undefined) return reused;
  const known = await tx.selectFrom('node_key').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirst();
  const matches = known === undefined ? await findMatches(tx, claim.hardware) : { same: [known.node], similar: [] };
  const proven = await provenNode(tx, checked, text);
  if (proven === 'false') {
    return { refused: new Problem('forbidden', 'the signature by the previous key does not prove the node it names') };
  }
  if (proven !== undefined && matches.same.some((id) => id !== proven)) {
    return {
      refused: new Problem(
        'conflict',
        'the hardware is another node than the one the previous key belongs to: a person must decide',
      ),
    };
  }
  const id = proven ?? (matches.same.length === 1 ? matches.same[0]! : undefined);
  if (id === undefined) return await newNode(tx, context, checked, matches);
  const node = await tx.selectFrom('node').selectAll().where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
  if (node.revoked_at !== null || known?.status === 'revoked') return await refuseRevoked(tx, id, fingerprint);
  await tx.updateTable('nonce_use').set({ node: id }).where('nonce', '=', claim.nonce).execute();
  if (known?.status === 'current' || known?.status === 'pending') {
    if (node.level === 'claimed') await tryApprove(tx, context, id, checked);
    return { answer: await answerFor(tx, id, fingerprint) };
  }
  if (node.level === 'claimed' || proven !== undefined)
    return await replaceKey(tx, context, id, checked, proven !== undefined);
  return await requestRekey(tx, id, checked);
}

/** 57, 58: one nonce serves one key. The same key gets its answer again; another one freezes the node. */
async function recordNonce(tx: Tx, nonce: string, fingerprint: string): Promise<Outcome | undefined> {
  const fresh = await tx
    .insertInto('nonce_use')
    .values({ nonce, fingerprint, node: null })
    .onConflict((conflict) => conflict.column('nonce').doNothing())
    .executeTakeFirst();
  if (fresh.numInsertedOrUpdatedRows === 1n) return undefined;
  const used = await tx.selectFrom('nonce_use').selectAll().where('nonce', '=', nonce).executeTakeFirstOrThrow();
  if (used.fingerprint === fingerprint && used.node !== null)
    return { answer: await answerFor(tx, used.node, fingerprint) };
  if (used.node !== null) {
    await append(
      tx,
      [],
      await lockNode(tx, used.node, 'two keys claimed with one nonce: somebody else may have seen it'),
    );
  }
  return { refused: new Problem('conflict', 'the nonce was used by another key: get a new one from POST /v1/nonce') };
}

/** The node that the previous key's signature proves to be this machine; 'false' when it is not that. */
async function provenNode(tx: Tx, { claim }: Checked, text: string): Promise<string | 'false' | undefined> {
  if (claim.previous === undefined) return undefined;
  const key = await tx
    .selectFrom('node_key')
    .selectAll()
    .where('node', '=', claim.previous.node)
    .where('status', '=', 'current')
    .executeTakeFirst();
  const good =
    key !== undefined && isSigned(key.public_key, key.kind, text, Buffer.from(claim.previous.signature, 'base64'));
  return good ? claim.previous.node : 'false';
}

async function newNode(
  tx: Tx,
  context: Context,
  checked: Checked,
  matches: { same: string[]; similar: string[] },
): Promise<Outcome> {
  const { claim, from } = checked;
  const cap = context.config.pendingPerSource;
  const { count } = await tx
    .selectFrom('node')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('level', '=', 'claimed')
    .where('claimed_from', '=', from)
    .executeTakeFirstOrThrow();
  if (count >= cap) {
    return {
      refused: new Problem('too_many', `${cap} machines from ${from} wait for approval: approve or revoke some first`, {
        retryAfter: 60,
      }),
    };
  }
  const { id } = await tx
    .insertInto('node')
    .values({ hardware: JSON.stringify(identifying(claim.hardware)), claimed_from: from })
    .returning('id')
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('node_now')
    .values({ node: id, observed_name: claim.hardware.hostname ?? null } as never)
    .execute();
  await addKey(tx, id, checked, 'current');
  await storeHints(tx, id, claim.hardware);
  await tx.updateTable('nonce_use').set({ node: id }).where('nonce', '=', claim.nonce).execute();
  const subject = `node/${id}`;
  const actor = subject;
  const events: NewEvent[] = [
    { kind: 'node.enrolled', subject, actor, data: { fingerprint: checked.fingerprint, from } },
  ];
  const doubtful = [...matches.same, ...matches.similar];
  if (doubtful.length > 0) {
    const why =
      matches.same.length > 1 ? 'it could be any of several nodes' : 'it shares an identifier with other nodes';
    events.push({
      kind: 'alarm.identity',
      subject,
      actor: 'system',
      reason: why,
      data: { nodes: doubtful.slice(0, 20), count: doubtful.length },
    });
  }
  await append(
    tx,
    [
      {
        subject,
        side: 'derived',
        source: 'server',
        section: 'state',
        data: { state: 'discovered', level: 'claimed' },
        actor,
      },
    ],
    events,
  );
  await tryApprove(tx, context, id, checked);
  return { answer: await answerFor(tx, id, checked.fingerprint) };
}

/** A newer claim replaces the older one while nobody has approved; with the old key's signature, also later. */
async function replaceKey(tx: Tx, context: Context, id: string, checked: Checked, proven: boolean): Promise<Outcome> {
  await tx
    .updateTable('node_key')
    .set({ status: 'retired' })
    .where('node', '=', id)
    .where('status', 'in', ['current', 'pending'])
    .execute();
  await addKey(tx, id, checked, 'current');
  const { claim } = checked;
  await tx
    .updateTable('node')
    .set({ hardware: JSON.stringify(identifying(claim.hardware)) })
    .where('id', '=', id)
    .execute();
  await storeHints(tx, id, claim.hardware);
  const kind = proven ? 'node.rekeyed' : 'node.claimed_again';
  await append(
    tx,
    [],
    [
      {
        kind,
        subject: `node/${id}`,
        actor: `node/${id}`,
        data: { fingerprint: checked.fingerprint, from: checked.from },
      },
    ],
  );
  if (!proven) await tryApprove(tx, context, id, checked);
  return { answer: await answerFor(tx, id, checked.fingerprint) };
}

/** A known machine with a new key that the old one does not vouch for: the running node goes on, a person decides. */
async function requestRekey(tx: Tx, id: string, checked: Checked): Promise<Outcome> {
  await tx
    .updateTable('node_key')
    .set({ status: 'retired' })
    .where('node', '=', id)
    .where('status', '=', 'pending')
    .execute();
  await addKey(tx, id, checked, 'pending');
  await append(
    tx,
    [],
    [
      {
        kind: 'alarm.rekey',
        subject: `node/${id}`,
        actor: 'system',
        reason: 'the machine came with a new key: approve its fingerprint, or look who it is',
        data: { fingerprint: checked.fingerprint, from: checked.from },
      },
    ],
  );
  return { answer: await answerFor(tx, id, checked.fingerprint) };
}

/** 70: a revoked machine or key comes back. It is told no, and the attempt is on record. */
async function refuseRevoked(tx: Tx, id: string, fingerprint: string): Promise<Outcome> {
  await append(
    tx,
    [],
    [{ kind: 'enrol.refused', subject: `node/${id}`, actor: 'system', reason: 'revoked', data: { fingerprint } }],
  );
  return { refused: new Problem('forbidden', 'this machine was revoked: an operator can approve it again') };
}

async function tryApprove(
  tx: Tx,
  context: Context,
  node: string,
  { claim, fingerprint, from }: Checked,
): Promise<void> {
  const token = claim.join_token === undefined ? undefined : await useJoinToken(tx, claim.join_token);
  if (token !== undefined) {
    const actor = `join-token/${token.id}`;
    return await approve(tx, context.keys, {
      node,
      fingerprint,
      actor,
      reason: 'join token',
      site: token.site,
      role: token.role,
    });
  }
  const rule = await takeRule(tx, claim.hardware, from);
  if (rule === undefined) return;
  const actor = `rule/${rule.name}`;
  await approve(tx, context.keys, {
    node,
    fingerprint,
    actor,
    reason: 'approval rule',
    site: rule.site,
    role: rule.role,
  });
}

async function addKey(
  tx: Tx,
  node: string,
  { claim, spki, fingerprint }: Checked,
  status: 'current' | 'pending',
): Promise<void> {
  await tx
    .insertInto('node_key')
    .values({ fingerprint, node, kind: claim.kind, public_key: spki, status })
    .onConflict((conflict) => conflict.column('fingerprint').doUpdateSet({ status }))
    .execute();
}

async function answerFor(tx: Tx, id: string, fingerprint: string): Promise<Answer> {
  const row = await tx
    .selectFrom('node')
    .leftJoin('node_key', (join) => join.onRef('node_key.node', '=', 'node.id').on('fingerprint', '=', fingerprint))
    .select(['state', 'level', 'status'])
    .where('node.id', '=', id)
    .executeTakeFirstOrThrow();
  const status =
    row.status === 'pending' ? 'rekey' : row.level === 'claimed' || row.status !== 'current' ? 'pending' : 'approved';
  return { node: id, fingerprint, state: row.state, status };
}
