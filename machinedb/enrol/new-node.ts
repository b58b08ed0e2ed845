import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
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
  const subject = `node/${id}`;
  const data = { state: 'discovered', level: 'claimed' };
  await append(
    tx,
    [{ subject, side: 'derived', source: 'server', section: 'state', data, actor: subject }],
    [{ kind: 'node.enrolled', subject, actor: subject, data: { fingerprint, from } }, ...doubts(subject, matches)],
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

function doubts(subject: string, { same, similar }: Matches): NewEvent[] {
  const nodes = [...same, ...similar];
  if (nodes.length === 0) return [];
  const reason = same.length > 1 ? 'it could be any of several nodes' : 'it shares an identifier with other nodes';
  const data = { nodes: nodes.slice(0, 20), count: nodes.length };
  return [{ kind: 'alarm.identity', subject, actor: 'system', reason, data }];
}
