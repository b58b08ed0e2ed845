import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { doubtEvent, openQuarantine } from '../identity/quarantine.ts';
import type { Checked } from './claim.ts';
import { hintsOf, type Matches } from './hints.ts';
import { identifying } from './match.ts';
import { sourceOf } from './source.ts';

/**
 * Makes a node of a claim by a machine that is not known, or that could be several, and binds its nonce. Answers its id. Throws too_many when
 * as many machines as `cap` from the same source wait for approval already.
 */
export async function createNode(tx: Tx, cap: number, checked: Checked, matches: Matches): Promise<string> {
  const { claim, fingerprint, from, spki } = checked;
  const source = sourceOf(from);
  await checkCap(tx, source, cap);
  const hardware = JSON.stringify(identifying(claim.hardware));
  const { rows } = await sql<{ id: string }>`
    with made as (
      insert into node (hardware, claimed_from) values (${hardware}::jsonb, ${source}) returning id
    ), now as (
      insert into node_now (node, observed_name) select id, ${claim.hardware.hostname ?? null}::text from made
    ), key as (
      insert into node_key (fingerprint, node, kind, public_key, status)
      select ${fingerprint}, id, ${claim.kind}, ${spki}::bytea, 'current' from made
    ), hints as (
      insert into node_hint (hint, node) select hint, id from made, unnest(${hintsOf(claim.hardware)}::text[]) as hint
    ), bound as (
      update nonce_use set node = made.id from made where nonce = ${claim.nonce}
    )
    select id from made`.execute(tx);
  const { id } = rows[0]!;
  const doubts = await raiseDoubts(tx, id, matches);
  const subject = `node/${id}`;
  const data = { state: 'discovered', level: 'claimed' };
  await append(
    tx,
    [{ subject, side: 'derived', source: 'server', section: 'state', data, actor: subject }],
    [{ kind: 'node.enrolled', subject, actor: subject, data: { fingerprint, from } }, ...doubts],
  );
  return id;
}

async function checkCap(tx: Tx, source: string, cap: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(7104, hashtext(${source}))`.execute(tx);
  const { count } = await tx
    .selectFrom('node')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('level', '=', 'claimed')
    .where('claimed_from', '=', source)
    .where('state', '=', 'discovered')
    .where('revoked_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (count < cap) return;
  throw new Problem('too_many', `${cap} machines from ${source} wait for approval: approve or revoke some first`, {
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
