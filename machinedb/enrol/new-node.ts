import { sql } from 'kysely';
import { Overtaken, type Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { doubtEvent, openQuarantine } from '../identity/quarantine.ts';
import { arrive } from '../nodes/arrivals.ts';
import type { Checked } from './claim.ts';
import { hintsOf, type Matches } from './hints.ts';
import { identifying } from './match.ts';
import { sourceOf } from './source.ts';

/**
 * Makes a node of a claim by a machine that is not known, or that could be several, and binds its nonce. Answers its id, and
 * what records it: to be called last, as append(). Throws too_many when as many machines as `cap` from the same source wait for approval
 * already.
 */
export async function createNode(
  tx: Tx,
  cap: number,
  checked: Checked,
  matches: Matches,
): Promise<{ id: string; record: () => Promise<unknown> }> {
  const source = sourceOf(checked.from);
  if (((await countWaiting(tx, [source])).get(source) ?? 0) >= cap) throw tooMany(source, cap);
  const [id] = await insertNodes(tx, [checked]);
  const doubts = await raiseDoubts(tx, id!, matches);
  return { id: id!, record: () => appendEnrolled(tx, [{ id: id!, checked }], doubts) };
}

/**
 * Makes a node of each of these claims, which have nothing in common, and binds their nonces. Answers the ids in their order. Throws
 * Overtaken when a nonce was used by another key meanwhile.
 */
export async function insertNodes(tx: Tx, claims: Checked[]): Promise<string[]> {
  const rows = claims.map(({ claim, fingerprint, spki, from }) => ({
    ...{ fingerprint, kind: claim.kind, public_key: spki.toString('base64'), nonce: claim.nonce },
    ...{ hardware: identifying(claim.hardware), source: sourceOf(from), hostname: claim.hardware.hostname },
    hints: hintsOf(claim.hardware),
  }));
  await arrive(tx);
  const { rows: made } = await sql<{ id: string; fingerprint: string; bound: number }>`
    with x as materialized (
      select gen_random_uuid() as id, x.* from json_to_recordset(${JSON.stringify(rows)}::json) as
        x(fingerprint text, kind text, public_key text, nonce text, hardware jsonb, source text, hostname text, hints text[])
    ), made as (
      insert into node (id, hardware, claimed_from) select id, hardware, source from x
    ), now as (
      insert into node_now (node, observed_name) select id, hostname from x
    ), key as (
      insert into node_key (fingerprint, node, kind, public_key, status)
      select fingerprint, id, kind, decode(public_key, 'base64'), 'current' from x
    ), hints as (
      insert into node_hint (hint, node) select hint, id from x, unnest(hints) as hint
    ), bound as (
      insert into nonce_use (nonce, fingerprint, node) select nonce, fingerprint, id from x
      on conflict (nonce) do update set node = excluded.node where nonce_use.fingerprint = excluded.fingerprint
      returning nonce
    )
    select id, fingerprint, (select count(*) from bound) as bound from x`.execute(tx);
  if (made[0]!.bound < claims.length) throw new Overtaken();
  const ids = new Map(made.map(({ id, fingerprint }) => [fingerprint, id]));
  return claims.map(({ fingerprint }) => ids.get(fingerprint)!);
}

/** Records that these nodes were made. */
export async function appendEnrolled(
  tx: Tx,
  nodes: { id: string; checked: Checked }[],
  more: NewEvent[] = [],
): Promise<void> {
  const subjects = nodes.map(({ id, checked: { fingerprint, from } }) => ({
    subject: `node/${id}`,
    data: { fingerprint, from },
  }));
  const data = { state: 'discovered', level: 'claimed' };
  await append(
    tx,
    subjects.map(({ subject }) => ({
      ...{ subject, side: 'derived', source: 'server', section: 'state', data, actor: subject },
    })),
    [...subjects.map((each) => ({ ...each, kind: 'node.enrolled', actor: each.subject })), ...more],
  );
}

/** How many machines of each of these sources wait for approval. Others of the same sources wait for this transaction. */
export async function countWaiting(tx: Tx, sources: string[]): Promise<Map<string, number>> {
  await sql`
    select pg_advisory_xact_lock(7104, key)
    from (select distinct hashtext(source) as key from unnest(${sources}::text[]) as source order by key) as keys`.execute(
    tx,
  );
  const { rows } = await sql<{ source: string; count: number }>`
    select claimed_from as source, count(*) as count from node
    where level = 'claimed' and claimed_from = any (${sources}) and state = 'discovered' and revoked_at is null
    group by claimed_from`.execute(tx);
  return new Map(rows.map(({ source, count }) => [source, count]));
}

export function tooMany(source: string, cap: number): Problem {
  return new Problem('too_many', `${cap} machines from ${source} wait for approval: approve or revoke some first`, {
    retryAfter: 60,
  });
}

/** What nobody can tell is put before a person; an identifier that others have, too, is only said. */
async function raiseDoubts(tx: Tx, id: string, matches: Matches): Promise<NewEvent[]> {
  const { outcome, why, candidates, similar } = matches;
  if (outcome === 'quarantine') {
    const doubt = { node: id, kind: 'claim' as const, why, candidates };
    await openQuarantine(tx, doubt);
    return [doubtEvent(doubt, similar)];
  }
  if (similar.length === 0) return [];
  const reason = 'it shares an identifier with other nodes';
  const data = { nodes: similar.slice(0, 20), count: similar.length };
  return [{ kind: 'alarm.identity', subject: `node/${id}`, actor: 'system', reason, data }];
}
