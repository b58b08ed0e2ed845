import { sql } from 'kysely';
import { type Db, type Tx, transaction } from '../db.ts';
import type { Problem } from '../http/problem.ts';
import { createBatcher } from '../reports/batch.ts';
import type { Answer, Checked, Claim } from './claim.ts';
import { hintsOf, lockHints } from './hints.ts';
import { identifying } from './match.ts';
import { appendEnrolled, countWaiting, insertNodes, tooMany } from './new-node.ts';
import { ruled } from './rules.ts';
import { sourceOf } from './source.ts';

/** Each claim takes a lock for each of its hints, of which PostgreSQL has some thousands for all. */
const BATCH = 20;
const WAITING = 2000;

export interface Enrolments {
  /**
   * Makes a node of a plain claim by a machine of which nothing is known, together with others that claim at the same time; durably
   * before it resolves. `other`: something is known of it, or a rule approves it, and nothing was written. Throws too_many.
   */
  put(checked: Checked): Promise<Answer | 'other'>;
  close(): Promise<void>;
}

/** @param cap machines of one source that may wait for approval */
export function createEnrolments(db: Db, cap: number): Enrolments {
  const batcher = createBatcher<Checked, Answer | 'other'>({
    size: BATCH,
    waiting: WAITING,
    keyOf: ({ claim }) => claim.nonce,
    run: (claims) => transaction(db, (tx) => enrolNew(tx, cap, claims)),
  });
  return { put: (checked) => batcher.put(checked), close: () => batcher.close() };
}

/** Whether a claim asks for nothing beyond being known: no key vouches for it, no token approves it, it is no rescue. */
export function isPlain({ previous, rescue, join_token }: Claim): boolean {
  return previous === undefined && rescue !== true && join_token === undefined;
}

async function enrolNew(tx: Tx, cap: number, claims: Checked[]): Promise<(Answer | Problem | 'other')[]> {
  const texts = claims.map(textsOf);
  await lockHints(tx, [...new Set(texts.flat())]);
  const known = await knownTexts(tx, claims, texts);
  const byRule = await ruled(
    tx,
    claims.map(({ claim, from }) => ({ hardware: claim.hardware, from })),
  );
  const fresh = claims.filter((_, i) => {
    if (byRule.has(i) || texts[i]!.some((text) => known.has(text))) return false;
    // Two that have something in common are looked at one after the other.
    for (const text of texts[i]!) known.add(text);
    return true;
  });
  if (fresh.length === 0) return claims.map(() => 'other');
  const waiting = await countWaiting(tx, [...new Set(fresh.map(({ from }) => sourceOf(from)))]);
  const taken = fresh.filter(({ from }) => {
    const count = waiting.get(sourceOf(from)) ?? 0;
    waiting.set(sourceOf(from), count + 1);
    return count < cap;
  });
  const ids = taken.length === 0 ? [] : await insertNodes(tx, taken);
  const made = taken.map((checked, i) => ({ id: ids[i]!, checked }));
  await appendEnrolled(tx, made);
  const answers = new Map<Checked, Answer | Problem>([
    ...fresh.map(({ from }, i) => [fresh[i]!, tooMany(sourceOf(from), cap)] as const),
    ...made.map(({ id, checked }) => [checked, toAnswer(id, checked)] as const),
  ]);
  return claims.map((checked) => answers.get(checked) ?? 'other');
}

function toAnswer(node: string, { fingerprint }: Checked): Answer {
  return { node, fingerprint, state: 'discovered', status: 'pending' };
}

/** All by which a machine may be known: what hints and locks are called. */
function textsOf({ claim: { hardware, nonce }, fingerprint }: Checked): string[] {
  const { disk } = identifying(hardware);
  return [
    `key:${fingerprint}`,
    `nonce:${nonce}`,
    ...(disk === undefined ? [] : [`disk:${disk}`]),
    ...hintsOf(hardware),
  ];
}

/** Those of the texts that are known: of a nonce, a key, the disk of a node, or a hint. */
async function knownTexts(tx: Tx, claims: Checked[], texts: string[][]): Promise<Set<string>> {
  const disks = claims.flatMap(({ claim }) => identifying(claim.hardware).disk ?? []);
  const { rows } = await sql<{ text: string }>`
    select 'nonce:' || nonce as text from nonce_use where nonce = any (${claims.map(({ claim }) => claim.nonce)})
    union all select 'key:' || fingerprint from node_key where fingerprint = any (${claims.map(({ fingerprint }) => fingerprint)})
    union all select 'disk:' || id from node where id = any (${disks}::uuid[])
    union all select hint from node_hint where hint = any (${[...new Set(texts.flat())]})`.execute(tx);
  return new Set(rows.map(({ text }) => text));
}
