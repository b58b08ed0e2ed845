import { sql } from 'kysely';
import type { Plan } from '../shared/api/row.ts';
import { canonical } from '../shared/canonical.ts';
import { changes } from '../shared/diff.ts';
import { mergeLayers } from '../shared/merge.ts';
import { demands, type Intent, type NetworkFacts, resolve } from '../shared/resolve.ts';
import type { Placement } from '../shared/sections/placement.ts';
import { type AllocationRow, allocate, readAllocations } from './allocations.ts';
import type { Reader, Tx } from './db.ts';
import type { NewRevision } from './feed.ts';
import { findingsOf, type NewFinding, storeFindings } from './findings.ts';
import { hotOf } from './hot.ts';
import { readLayers } from './layers.ts';
import { storeIntendedMacs, storePlacement } from './placements.ts';
import { Problem } from './problem.ts';
import type { Keys } from './trust/keys.ts';

const CHUNK = 500;
const SHOWN = 1000;

export interface Projected {
  /** Nodes whose wanted state changed. */
  affected: string[];
  /** What changed in the first 1,000 of them. */
  nodes: Plan['nodes'];
  /** Derived revisions, for the caller's append(). */
  revisions: NewRevision[];
}

interface Row {
  node: string;
  observed: Record<string, unknown>;
  wanted: Record<string, unknown>;
  generation: number;
  fqdn: string | null;
}

/**
 * Brings everything that follows from a node's intent and facts up to date: addresses, wanted state with its generation and
 * signature, placement, findings, and the columns that lists read. Safe at any time; the caller's intents are appended
 * before it, and its revisions after it. Throws when an intent contradicts another node's.
 */
export async function project(tx: Tx, keys: Keys, ids: string[], actor: string): Promise<Projected> {
  const projected: Projected = { affected: [], nodes: [], revisions: [] };
  if (ids.length === 0) return projected;
  const networks = await readNetworks(tx);
  const lastGiven = new Map<string, string>();
  const sorted = [...new Set(ids)].sort();
  for (let i = 0; i < sorted.length; i += CHUNK) {
    await projectChunk(tx, keys, sorted.slice(i, i + CHUNK), networks, lastGiven, actor, projected);
  }
  return projected;
}

async function projectChunk(
  tx: Tx,
  keys: Keys,
  ids: string[],
  networks: Record<string, NetworkFacts>,
  lastGiven: Map<string, string>,
  actor: string,
  projected: Projected,
): Promise<void> {
  const rows: Row[] = await tx
    .selectFrom('node_now')
    .select(['node', 'observed', 'wanted', 'generation', 'fqdn'])
    .where('node', 'in', ids)
    .orderBy('node')
    .execute();
  const layers = await readLayers(tx, ids);
  const allocations = Map.groupBy(await readAllocations(tx, ids), ({ node }) => node!);
  const updates: Record<string, unknown>[] = [];
  const findings: NewFinding[] = [];
  for (const row of rows) {
    const intent = mergeLayers(layers.get(row.node) ?? []) as Intent;
    const held = await hold(tx, row.node, intent, allocations.get(row.node) ?? [], lastGiven);
    const active = held.filter(({ state }) => state === 'active');
    const { wanted, problems } = resolve({ intent, observed: row.observed, allocations: active, networks });
    const changed = canonical(wanted) !== canonical(row.wanted);
    const generation = row.generation + (changed ? 1 : 0);
    findings.push(...findingsOf(row.node, wanted, row.observed, problems, held));
    updates.push({
      node: row.node,
      wanted,
      generation,
      changed,
      ...signed(keys, row.node, generation, wanted, changed),
      ...hotOf(row.observed, wanted),
    });
    if (!changed) continue;
    await storePlaces(tx, row, intent);
    projected.affected.push(row.node);
    if (projected.nodes.length < SHOWN) {
      const fqdn = (wanted.hostname as { fqdn?: string } | undefined)?.fqdn ?? row.fqdn ?? undefined;
      projected.nodes.push({ node: row.node, fqdn, changes: changes(row.wanted, wanted) });
    }
    projected.revisions.push({
      subject: `node/${row.node}`,
      side: 'derived',
      source: 'server',
      section: 'wanted',
      data: { wanted, generation },
      actor,
    });
  }
  await checkNames(tx, updates);
  await storeRows(tx, updates);
  await storeFindings(tx, ids, findings);
}

async function hold(
  tx: Tx,
  node: string,
  intent: Intent,
  held: AllocationRow[],
  lastGiven: Map<string, string>,
): Promise<AllocationRow[]> {
  const wanted = demands(intent);
  return wanted.length === 0 && held.length === 0 ? [] : await allocate(tx, node, wanted, held, lastGiven);
}

async function storePlaces(tx: Tx, row: Row, intent: Intent): Promise<void> {
  if (canonical(row.wanted.placement ?? null) !== canonical(intent.placement ?? null)) {
    await storePlacement(tx, row.node, intent.placement as Placement | undefined);
  }
  const macs = Object.values(intent.network?.interfaces ?? {}).flatMap(({ match }) => match?.mac ?? []);
  await storeIntendedMacs(tx, row.node, macs);
}

function signed(keys: Keys, node: string, generation: number, wanted: Record<string, unknown>, changed: boolean) {
  return changed ? keys.signWanted(canonical({ node, generation, wanted })) : {};
}

/** A name belongs to one machine. The unique index decides; this says whose it is. */
async function checkNames(tx: Tx, updates: Record<string, unknown>[]): Promise<void> {
  const named = updates.filter(({ fqdn }) => fqdn !== undefined).map(({ node, fqdn }) => ({ node, fqdn }));
  const twice = named.find(({ fqdn }, i) => named.findIndex((other) => other.fqdn === fqdn) !== i);
  if (twice !== undefined)
    throw new Problem(
      'conflict',
      `several nodes would have the name ${String(twice.fqdn)}: a name belongs to one machine`,
    );
  const { rows } = await sql<{ fqdn: string; node: string }>`
    select n.fqdn, n.node from json_to_recordset(${JSON.stringify(named)}::json) as x(node uuid, fqdn text)
    join node_now n on n.fqdn = x.fqdn and n.node <> x.node
    where not exists (select from json_to_recordset(${JSON.stringify(updates.map(({ node }) => ({ node })))}::json) as u(node uuid) where u.node = n.node)
    limit 1`.execute(tx);
  if (rows[0] !== undefined)
    throw new Problem(
      'conflict',
      `the name ${rows[0].fqdn} belongs to node ${rows[0].node} already: take another, or rename that node first`,
    );
}

async function storeRows(tx: Tx, updates: Record<string, unknown>[]): Promise<void> {
  await sql`
    update node_now n set
      wanted = case when u.changed then u.wanted else n.wanted end,
      generation = u.generation,
      signature = case when u.changed then u.signature else n.signature end,
      signing_key = case when u.changed then u.key else n.signing_key end,
      fqdn = u.fqdn, observed_name = coalesce(u.observed_name, n.observed_name), site = u.site, rack = u.rack, unit = u.unit,
      role = u.role, tags = u.tags, mode = u.mode, model = u.model, serial = u.serial, uuid = u.uuid, macs = u.macs
    from json_to_recordset(${JSON.stringify(updates)}::json) as
      u(node uuid, wanted jsonb, generation bigint, changed boolean, signature text, key text, fqdn text, observed_name text, site text,
        rack text, unit int, role text, tags text[], mode text, model text, serial text, uuid text, macs text[])
    where n.node = u.node`.execute(tx);
}

/** All network rows: there are few, and any node may name any of them. */
export async function readNetworks(db: Reader): Promise<Record<string, NetworkFacts>> {
  const rows = await db.selectFrom('network').select(['name', 'cidr', 'gateway', 'dns', 'domain']).execute();
  return Object.fromEntries(
    rows.map(({ name, cidr, gateway, dns, domain }) => [
      name,
      { cidr, gateway: gateway ?? undefined, dns, domain: domain ?? undefined },
    ]),
  );
}
