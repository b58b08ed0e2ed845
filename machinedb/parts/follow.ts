import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { closeQuarantine, doubtEvent, openQuarantine } from '../identity/quarantine.ts';
import { type Part, type PartChange, partKey } from './parts.ts';

/** A part whose number so many other nodes report: the number is a maker's, and says nothing. */
const MANY = 3;

/** What one revision says of a node's parts. */
export interface NodeParts extends PartChange {
  node: string;
  /** Place of the revision in the feed. */
  seq: number;
}

/**
 * Keeps the parts' history in step with the revisions that were just appended, and tells what moved. A part that another
 * living node reports, too, is a doubt for a person, not a move. Call it after append(): it needs the feed's lock.
 */
export async function followParts(tx: Tx, all: NodeParts[]): Promise<void> {
  const changes = all.filter(({ arrived, left }) => arrived.length + left.length > 0);
  if (changes.length === 0) return;
  await storeParts(tx, changes);
  // From one slot to another of the same node is no move from node to node.
  const stayed = (node: string, part: Part, side: keyof PartChange) =>
    changes.some((change) => change.node === node && change[side].some((each) => partKey(each) === partKey(part)));
  const came = changes.flatMap(({ node, arrived }) =>
    arrived.filter((part) => !stayed(node, part, 'left')).map((part) => ({ node, ...part })),
  );
  const went = changes.flatMap(({ node, left }) =>
    left.filter((part) => !stayed(node, part, 'arrived')).map((part) => ({ node, ...part })),
  );
  await append(tx, [], [...(await judgeArrivals(tx, came)), ...(await settleDoubts(tx, went))]);
}

/** Writes what came and went, at the times of the revisions that say so. */
export async function storeParts(tx: Tx, changes: NodeParts[]): Promise<void> {
  const rows = (side: keyof PartChange) =>
    JSON.stringify(
      changes.flatMap((change) => change[side].map((part) => ({ ...part, node: change.node, seq: change.seq }))),
    );
  const columns = sql`x(kind text, serial text, model text, slot text, node uuid, seq bigint)`;
  await sql`
    update part_seen p set until = r.at
    from json_to_recordset(${rows('left')}::json) as ${columns} join revision r on r.seq = x.seq
    where p.node = x.node and p.kind = x.kind and p.serial = x.serial and p.model = x.model and p.slot = x.slot
      and p.until is null`.execute(tx);
  await sql`
    insert into part_seen (kind, serial, model, node, slot, since)
    select x.kind, x.serial, x.model, x.node, x.slot, r.at
    from json_to_recordset(${rows('arrived')}::json) as ${columns} join revision r on r.seq = x.seq
    order by x.seq on conflict on constraint part_seen_once do nothing`.execute(tx);
}

interface Placed extends Part {
  node: string;
}

interface Other {
  i: number;
  node: string;
  slot: string;
  /** It has not said that the part went. */
  open: boolean;
  /** Its heart beats. */
  alive: boolean;
}

async function judgeArrivals(tx: Tx, came: Placed[]): Promise<NewEvent[]> {
  if (came.length === 0) return [];
  const others = Map.groupBy(await othersWith(tx, came), ({ i }) => i);
  const events: NewEvent[] = [];
  for (const [i, part] of came.entries()) {
    const seen = others.get(i) ?? [];
    const both = seen.filter(({ open, alive }) => open && alive);
    const from = seen.find(({ open }) => !open) ?? seen[0];
    if (from === undefined || seen.filter(({ open }) => open).length >= MANY) continue;
    if (both.length === 0) events.push(movedEvent(part, from));
    else {
      const candidates = both.map(({ node }) => ({ node, score: 0, against: 0, evidence: [] }));
      const why = `${partKey(part)} is reported by ${both.length + 1} nodes at once: two parts with one number, or a report that is not true`;
      const doubt = { node: part.node, kind: 'part' as const, key: partKey(part), why, candidates };
      if (await openQuarantine(tx, doubt)) events.push(doubtEvent(doubt));
    }
  }
  return events;
}

/** Where else each part is or was, the newest first. Nodes that were merged are the ones they were merged into. */
async function othersWith(tx: Tx, parts: Placed[]): Promise<Other[]> {
  const asked = JSON.stringify(parts.map(({ kind, serial, model, node }, i) => ({ i, kind, serial, model, node })));
  const { rows } = await sql<Other>`
    select x.i, o.node, o.slot, o.open, o.alive
    from json_to_recordset(${asked}::json) as x(i int, kind text, serial text, model text, node uuid)
    cross join lateral (
      select p.node, p.slot, p.until is null as open,
        coalesce(n.state <> 'retired' and n.revoked_at is null
          and h.at > now() - make_interval(secs => h.lease_ms / 1000.0), false) as alive
      from part_seen p join node n on n.id = p.node left join heartbeat h on h.node = p.node
      where p.serial = x.serial and p.kind = x.kind and p.model = x.model and p.node <> x.node
        and n.merged_into is distinct from x.node
      order by p.until desc nulls first, p.since desc limit ${MANY + 1}) as o`.execute(tx);
  return rows;
}

/** A part went from a node: if that was the last but one that reported it, nobody has to decide any more. */
async function settleDoubts(tx: Tx, went: Placed[]): Promise<NewEvent[]> {
  if (went.length === 0) return [];
  const asked = JSON.stringify(went.map((part, i) => ({ i, key: partKey(part), ...part })));
  const { rows } = await sql<{ id: number; i: number; node: string; slot: string }>`
    select q.id, x.i, o.node, o.slot
    from json_to_recordset(${asked}::json) as x(i int, key text, kind text, serial text, model text, node uuid)
    join quarantine q on q.kind = 'part' and q.key = x.key and q.closed_at is null
      and (q.node = x.node or q.candidates @> jsonb_build_array(jsonb_build_object('node', x.node)))
    cross join lateral (
      select min(p.node::text) as node, min(p.slot) as slot from part_seen p
      where p.serial = x.serial and p.kind = x.kind and p.model = x.model and p.until is null
      having count(distinct p.node) = 1) as o`.execute(tx);
  const closing = { decision: 'resolved' as const, by: 'system', reason: 'one node reports the part now' };
  await closeQuarantine(
    tx,
    rows.map(({ id }) => id),
    closing,
  );
  // Two others may have a doubt each about the same part.
  const found = [...new Map(rows.map((row) => [row.i, row])).values()];
  return found.map(({ i, node, slot }) => movedEvent({ ...went[i]!, node, slot }, went[i]!));
}

function movedEvent({ node, kind, serial, model, slot }: Placed, from: { node: string; slot: string }): NewEvent {
  const data = { kind, serial, model, from: { node: from.node, slot: from.slot }, to: { node, slot } };
  return { kind: 'part.moved', subject: `node/${node}`, actor: `node/${node}`, data };
}
