import { sql } from 'kysely';
import { type Db, type Tx, transaction } from '../db.ts';
import type { Problem } from '../http/problem.ts';
import { createBatcher } from '../reports/batch.ts';
import { type Approval, approveNew } from '../trust/approve.ts';
import type { Keys } from '../trust/keys.ts';
import { type Grant, takeGrant, useGrant } from './auto-approve.ts';
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
   * Makes a node of a plain claim by a machine of which nothing is known, and approves it when a join token or a rule does, together
   * with others that claim at the same time; durably before it resolves. `other`: something is known of it, and nothing was written.
   * Throws too_many.
   */
  put(checked: Checked): Promise<Answer | 'other'>;
  close(): Promise<void>;
}

/** @param cap machines of one source that may wait for approval */
export function createEnrolments(db: Db, keys: Keys, cap: number): Enrolments {
  const batcher = createBatcher<Checked, Answer | 'other'>({
    size: BATCH,
    waiting: WAITING,
    keyOf: ({ claim }) => claim.nonce,
    run: (claims) => transaction(db, (tx) => enrolNew(tx, keys, cap, claims)),
  });
  return { put: (checked) => batcher.put(checked), close: () => batcher.close() };
}

/** Whether a claim asks for nothing beyond being known and approved: no key vouches for it, and it is no rescue. */
export function isPlain({ previous, rescue }: Claim): boolean {
  return previous === undefined && rescue !== true;
}

async function enrolNew(tx: Tx, keys: Keys, cap: number, claims: Checked[]): Promise<(Answer | Problem | 'other')[]> {
  const texts = claims.map(textsOf);
  await lockHints(tx, [...new Set(texts.flat())]);
  const known = await knownTexts(tx, claims, texts);
  const byRule = await ruled(
    tx,
    claims.map(({ claim, from }) => ({ hardware: claim.hardware, from })),
  );
  const asks: Asks = new Map(claims.map((checked, i) => [checked, askOf(checked, byRule.get(i))]));
  const fresh = claims.filter((checked, i) => {
    // Whether a relay's site is where an approval puts it is looked at one by one.
    const alone = checked.site !== undefined && asks.get(checked) !== undefined;
    if (alone || texts[i]!.some((text) => known.has(text))) return false;
    // Two that have something in common are looked at one after the other.
    for (const text of texts[i]!) known.add(text);
    return true;
  });
  if (fresh.length === 0) return claims.map(() => 'other');
  const { taken, grants } = await take(tx, cap, fresh, asks);
  const ids = taken.length === 0 ? [] : await insertNodes(tx, taken);
  const made = taken.map((checked, i) => ({ id: ids[i]!, checked, grant: grants.get(checked) }));
  const approvals: Approval[] = [];
  for (const { id, checked, grant } of made)
    if (grant !== undefined) approvals.push(await useGrant(tx, id, checked, grant));
  const record = () => appendEnrolled(tx, made);
  if (approvals.length === 0) await record();
  else await approveNew(tx, keys, approvals, record);
  const answers = new Map<Checked, Answer | Problem>([
    ...fresh.map(({ from }, i) => [fresh[i]!, tooMany(sourceOf(from), cap)] as const),
    ...made.map(({ id, checked, grant }) => [checked, toAnswer(id, checked, grant !== undefined)] as const),
  ]);
  return claims.map((checked) => answers.get(checked) ?? 'other');
}

type Asks = Map<Checked, string | undefined>;

/** What a claim asks to be approved by, in the order in which that is locked; undefined: it waits for a person. */
function askOf({ claim }: Checked, rule: string | undefined): string | undefined {
  if (claim.join_token !== undefined) return `1 ${claim.join_token}`;
  return rule === undefined ? undefined : `2 ${rule}`;
}

/** Which of these claims there is room for among those that wait, and what approves them. */
async function take(tx: Tx, cap: number, fresh: Checked[], asks: Asks) {
  const waiting = await countWaiting(tx, [...new Set(fresh.map(({ from }) => sourceOf(from)))]);
  const taken: Checked[] = [];
  const grants = new Map<Checked, Grant>();
  const order = (checked: Checked) => asks.get(checked) ?? '3';
  // Tokens and rules are locked in one order: two daemons' batches wait for each other, never in a circle.
  for (const checked of fresh.toSorted((a, b) => Number(order(a) > order(b)) - Number(order(a) < order(b)))) {
    const source = sourceOf(checked.from);
    const count = waiting.get(source) ?? 0;
    if (count >= cap) continue;
    taken.push(checked);
    const grant = asks.get(checked) === undefined ? undefined : await takeGrant(tx, checked);
    if (grant === undefined) waiting.set(source, count + 1);
    else grants.set(checked, grant);
  }
  return { taken, grants };
}

function toAnswer(node: string, { fingerprint }: Checked, approved: boolean): Answer {
  const told = approved
    ? ({ state: 'approved', status: 'approved' } as const)
    : ({ state: 'discovered', status: 'pending' } as const);
  return { node, fingerprint, ...told };
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
