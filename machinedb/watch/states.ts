import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { NewEvent, NewRevision } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';
import type { Level, NodeState } from '../schema.ts';
import { moveNode } from '../trust/node-state.ts';

export interface Situation {
  state: NodeState;
  level: Level;
  mode: string;
  /** It has reported, and its heart beats. */
  heard: boolean;
  /** Generation of the wanted state that the node says it has, and the newest one. */
  reported: number | null;
  generation: number;
  /** Open findings of sections that the agent configures. */
  findings: number;
}

/**
 * Where a node goes next in its life; undefined: it stays. The server moves discovered to active; maintenance, broken and
 * retired are people's.
 */
export function nextState(node: Situation): NodeState | undefined {
  if (node.level === 'seen' || node.level === 'claimed' || !node.heard) return undefined;
  if (node.state === 'approved') return node.mode === 'enforce' ? 'configuring' : 'active';
  if (node.state !== 'configuring') return undefined;
  const applied = node.reported !== null && node.reported >= node.generation && node.findings === 0;
  return node.mode !== 'enforce' || applied ? 'active' : undefined;
}

/** Moves these nodes on as far as they are. Answers what records it, for append(). */
export async function advance(tx: Tx, ids: string[]): Promise<{ revisions: NewRevision[]; events: NewEvent[] }> {
  const all: { revisions: NewRevision[]; events: NewEvent[] } = { revisions: [], events: [] };
  if (ids.length === 0) return all;
  const rows = await tx
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .leftJoin('heartbeat as h', 'h.node', 'node.id')
    .select([
      'node.id',
      'state',
      'level',
      'mode',
      'observed_at',
      'h.generation as reported',
      'n.generation',
      'h.at as beat_at',
      // A node that stands still has a finding about that; it must not keep it where it stands. Hardware and cables are nothing
      // that it configures.
      sql<number>`(select count(*) from finding f where f.node = node.id and f.section not in ('state', 'profile', 'cabling')
        and (f.acknowledged_by is null or f.acknowledged_until < now()))`.as('findings'),
    ])
    .where('node.id', 'in', ids)
    .where('state', 'in', ['approved', 'configuring'])
    // In the discovery image nothing is configured: it waits for its install.
    .where(sql<boolean>`n.observed #>> '{os,discovery}' is distinct from 'true'`)
    .orderBy('node.id')
    .execute();
  for (const row of rows) {
    const state = nextState({ ...row, heard: row.observed_at !== null && row.beat_at !== null });
    if (state === undefined) continue;
    const moved = await moveNode(tx, row.id, { state }, 'system');
    all.revisions.push(...moved.revisions);
    all.events.push(...moved.events);
  }
  return all;
}

interface Limit {
  seconds: number;
  /** Likely cause and next step. */
  message: string;
}

/** How long a node may be in a state before somebody should look. */
export const limits: Partial<Record<NodeState, Limit>> = {
  discovered: {
    seconds: 7 * 86_400,
    message:
      'discovered for long: nobody has approved it. Compare its fingerprint (machinedb show) and approve it, or revoke it',
  },
  approved: {
    seconds: 900,
    message:
      'approved, and nothing followed: ask for its install (machinedb reinstall) when it runs the discovery image; else its agent does not run or cannot reach the server, so look at its console and its network',
  },
  installing: {
    seconds: 3600,
    message:
      'installing for long: it did not boot from the network, the image cannot be fetched, or the disk refuses it. Look at machinedb show (install), machinedb boot explain, and its console',
  },
  configuring: {
    seconds: 1800,
    message:
      'configuring for long: its findings name what is not as wanted (machinedb findings). Mend the intent or the node',
  },
};

/** Background task: a node that stands still becomes a finding that says why and what to do; one that moved loses it. */
export async function findStuck(tx: Tx, scale: number): Promise<void> {
  const rows = Object.entries(limits).map(([state, { seconds, message }]) => ({
    state,
    seconds: seconds * scale,
    message,
  }));
  const { rows: touched } = await sql<{ node: string }>`
    with limits as (
      select * from json_to_recordset(${JSON.stringify(rows)}::json) as l(state text, seconds float8, message text)
    ), stuck as (
      select n.id, n.state, l.message from node n join limits l on l.state = n.state
      -- By index: most nodes are in none of these states.
      where n.state = any(${Object.keys(limits)}::text[]) and n.revoked_at is null and n.state_at < now() - make_interval(secs => l.seconds)
    ), gone as (
      delete from finding f where f.section = 'state' and f.path = '' and not exists (
        select from stuck s where s.id = f.node and f.got = to_jsonb(s.state)) returning f.node
    ), added as (
      insert into finding (node, section, path, kind, severity, expected, got, message)
      select id, 'state', '', 'mismatch', 'warning', '"active"', to_jsonb(state), message from stuck
      on conflict (node, section, path) do nothing returning node
    )
    select node from gone union select node from added`.execute(tx);
  if (touched.length > 0)
    await countFindings(
      tx,
      touched.map(({ node }) => node),
    );
}
