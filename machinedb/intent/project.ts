import type { Plan } from '../../shared/api/row.ts';
import { canonical } from '../../shared/canonical.ts';
import { changes } from '../../shared/diff.ts';
import { mergeLayers } from '../../shared/merge.ts';
import { demands, type Intent, type NetworkFacts, resolve } from '../../shared/resolve.ts';
import { ed25519Blob, fingerprintOfBlob } from '../../shared/ssh-certificate.ts';
import type { Reader, Tx } from '../db.ts';
import type { NewRevision } from '../feed/feed.ts';
import { hotOf } from '../nodes/hot.ts';
import { type AllocationRow, allocate, lacking, lockNetworks, readAllocations } from '../places/allocations.ts';
import { checkSites, type NetworkSites, storeClaims } from '../places/claims.ts';
import type { Keys } from '../trust/keys.ts';
import { findingsOf, type NewFinding, storeFindings } from './findings.ts';
import { type Pending, readLayers } from './layers.ts';
import { storeUpdates, type Update } from './project-rows.ts';

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
  const run: Run = {
    tx,
    keys,
    actor,
    intents: new Map(),
    held: new Map(),
    networks: {},
    lastGiven: new Map(),
    moved: [],
    sshCa: fingerprintOfBlob(ed25519Blob(keys.sshHostCa().publicKey)),
  };
  for (const chunk of chunks) await readAsked(run, chunk, pending);
  await lockLacking(run);
  run.networks = await readNetworks(tx);
  for (const chunk of chunks) await projectChunk(run, chunk, projected);
  if (pending !== undefined) await storeClaims(tx, run.intents, run.moved, run.networks);
  return projected;
}

/** One call of project(). */
interface Run {
  tx: Tx;
  keys: Keys;
  actor: string;
  /** What the nodes are asked to be, and the addresses that they hold. */
  intents: Map<string, Intent>;
  held: Map<string, AllocationRow[]>;
  networks: Record<string, NetworkFacts> & NetworkSites;
  /** See allocate(). */
  lastGiven: Map<string, string>;
  /** Nodes whose place is another now. */
  moved: string[];
  /** Fingerprint of the CA of SSH host keys. */
  sshCa: string;
}

async function readAsked({ tx, intents, held }: Run, ids: string[], pending: Pending | undefined): Promise<void> {
  const layers = await readLayers(tx, ids, { pending });
  const allocations = Map.groupBy(await readAllocations(tx, ids), ({ node }) => node!);
  for (const id of ids) {
    intents.set(id, mergeLayers(layers.get(id) ?? []) as Intent);
    held.set(id, allocations.get(id) ?? []);
  }
}

async function lockLacking({ tx, intents, held }: Run): Promise<void> {
  const lacked = [...intents].flatMap(([node, intent]) => lacking(demands(intent), held.get(node)!));
  await lockNetworks(tx, [...new Set(lacked.map(({ network }) => network))]);
}

async function projectChunk(run: Run, ids: string[], projected: Projected): Promise<void> {
  const { tx, keys, actor, networks } = run;
  const rows: Row[] = await tx
    .selectFrom('node_now')
    .select(['node', 'observed', 'wanted', 'generation', 'fqdn'])
    .where('node', 'in', ids)
    .orderBy('node')
    .execute();
  const updates: Update[] = [];
  const findings: NewFinding[] = [];
  for (const row of rows) {
    const intent = run.intents.get(row.node)!;
    const held = await hold(run, row.node, intent);
    const active = held.filter(({ state }) => state === 'active');
    const { wanted, problems } = resolve({
      intent,
      observed: row.observed,
      allocations: active,
      networks,
      sshCa: run.sshCa,
    });
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
    if (canonical(row.wanted.placement ?? null) !== canonical(intent.placement ?? null)) run.moved.push(row.node);
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
  await storeUpdates(tx, updates);
  await storeFindings(tx, ids, findings);
}

async function hold({ tx, held, networks, lastGiven }: Run, node: string, intent: Intent): Promise<AllocationRow[]> {
  const asked = demands(intent);
  const has = held.get(node)!;
  if (asked.length === 0 && has.length === 0) return [];
  checkSites(node, intent, lacking(asked, has), networks);
  return await allocate(tx, node, asked, has, lastGiven);
}

function signed(keys: Keys, node: string, generation: number, wanted: Record<string, unknown>, changed: boolean) {
  return changed ? keys.signWanted(canonical({ node, generation, wanted })) : {};
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
