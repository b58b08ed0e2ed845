import { sql } from 'kysely';
import type { Plan } from '../shared/api/row.ts';
import { canonical } from '../shared/canonical.ts';
import { changes } from '../shared/diff.ts';
import { mergeLayers } from '../shared/merge.ts';
import { demands, type Intent, type NetworkFacts, resolve } from '../shared/resolve.ts';
import { type AllocationRow, allocate, lacking, lockNetworks, readAllocations } from './allocations.ts';
import { type NetworkSites, storeClaims } from './claims.ts';
import type { Reader, Tx } from './db.ts';
import type { NewRevision } from './feed.ts';
import { findingsOf, type NewFinding, storeFindings } from './findings.ts';
import { hotOf } from './hot.ts';
import { type Pending, readLayers } from './layers.ts';
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
 * signature, placement, findings, and the columns that lists read. Safe at any time. Throws when an intent contradicts another
 * node's. Locks networks, and after it the caller appends: the feed's lock is the last of all.
 *
 * @param pending the intents that the caller appends with what it answers; undefined: none, so that nothing claims a place
 *   or a MAC anew
 */
export async function project(tx: Tx, keys: Keys, ids: string[], actor: string, pending?: Pending): Promise<Projected> {
  const projected: Projected = { affected: [], nodes: [], revisions: [] };
  if (ids.length === 0) return projected;
  const sorted = [...new Set(ids)].sort();
  const chunks = Array.from({ length: Math.ceil(sorted.length / CHUNK) }, (_, i) =>
    sorted.slice(i * CHUNK, (i + 1) * CHUNK),
  );
  const subjects: Subjects = { intents: new Map(), held: new Map() };
  for (const chunk of chunks) await readSubjects(tx, chunk, pending, subjects);
  const lacked = [...subjects.intents].flatMap(([node, intent]) => lacking(demands(intent), subjects.held.get(node)!));
  await lockNetworks(tx, [...new Set(lacked.map(({ network }) => network))]);
  const networks = await readNetworks(tx);
  const lastGiven = new Map<string, string>();
  const moved: string[] = [];
  for (const chunk of chunks)
    await projectChunk(tx, keys, chunk, subjects, networks, lastGiven, actor, projected, moved);
  if (pending !== undefined) await storeClaims(tx, subjects.intents, moved, networks);
  return projected;
}

/** What the nodes are asked to be, and the addresses that they hold. */
interface Subjects {
  intents: Map<string, Intent>;
  held: Map<string, AllocationRow[]>;
}

async function readSubjects(tx: Tx, ids: string[], pending: Pending | undefined, subjects: Subjects): Promise<void> {
  const layers = await readLayers(tx, ids, { pending });
  const held = Map.groupBy(await readAllocations(tx, ids), ({ node }) => node!);
  for (const id of ids) {
    subjects.intents.set(id, mergeLayers(layers.get(id) ?? []) as Intent);
    subjects.held.set(id, held.get(id) ?? []);
  }
}

async function projectChunk(
  tx: Tx,
  keys: Keys,
  ids: string[],
  subjects: Subjects,
  networks: Record<string, NetworkFacts>,
  lastGiven: Map<string, string>,
  actor: string,
  projected: Projected,
  moved: string[],
): Promise<void> {
  const rows: Row[] = await tx
    .selectFrom('node_now')
    .select(['node', 'observed', 'wanted', 'generation', 'fqdn'])
    .where('node', 'in', ids)
    .orderBy('node')
    .execute();
  const updates: Record<string, unknown>[] = [];
  const findings: NewFinding[] = [];
  for (const row of rows) {
    const intent = subjects.intents.get(row.node)!;
    const held = await hold(tx, row.node, intent, subjects.held.get(row.node)!, lastGiven);
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
    if (canonical(row.wanted.placement ?? null) !== canonical(intent.placement ?? null)) moved.push(row.node);
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
async function readNetworks(db: Reader): Promise<Record<string, NetworkFacts> & NetworkSites> {
  const rows = await db.selectFrom('network').select(['name', 'site', 'cidr', 'gateway', 'dns', 'domain']).execute();
  return Object.fromEntries(
    rows.map(({ name, site, cidr, gateway, dns, domain }) => [
      name,
      { site: site ?? undefined, cidr, gateway: gateway ?? undefined, dns, domain: domain ?? undefined },
    ]),
  );
}
