import { setImmediate } from 'node:timers/promises';
import type { Plan } from '../../shared/api/row.ts';
import { canonical } from '../../shared/canonical.ts';
import { changes } from '../../shared/diff.ts';
import { mergeLayers } from '../../shared/merge.ts';
import { contradictions } from '../../shared/network-contradictions.ts';
import { demands, type Intent, resolve } from '../../shared/resolve.ts';
import { ed25519Blob, fingerprintOfBlob } from '../../shared/ssh-certificate.ts';
import type { Tx } from '../db.ts';
import { profileFindings, type Rule, readProfiles } from '../drift/profiles.ts';
import type { NewRevision } from '../feed/feed.ts';
import { type Definition, groupsOf, readDefinitions } from '../groups/membership.ts';
import { hotOf } from '../nodes/hot.ts';
import { type AllocationRow, allocate, lacking, lockNetworks, readAllocations } from '../places/allocations.ts';
import { type AskedAddresses, askedOf } from '../places/asked.ts';
import { storeClaims } from '../places/claims.ts';
import { leaveAddresses, leaveNames } from '../places/exchange.ts';
import { type Networks, readNetworks } from '../places/nearest.ts';
import { keepNetworks } from '../places/networks.ts';
import { NodesRefused, type RefusedNode, refusedBy } from '../places/refused.ts';
import { type Change, concernsMachine, type QueuedNode, queueChange } from '../rollout/queue.ts';
import type { Keys } from '../trust/keys.ts';
import { findingsOf, type NewFinding, writeFindings } from './findings.ts';
import { contradiction } from './intent-check.ts';
import { type Pending, readLayers } from './layers.ts';
import { storeUpdates, type Update } from './project-rows.ts';

const CHUNK = 500;
/** Nodes that are worked out before others have their turn in this process. */
const TURN = 50;
const SHOWN = 1000;

export interface Projected {
  /** Nodes whose wanted state changed. */
  affected: string[];
  /** What changed in the first 1,000 of them. */
  nodes: Plan['nodes'];
  /** Derived revisions, for the caller's append(). */
  revisions: NewRevision[];
}

export interface ProjectOptions {
  /** Intents that the caller appends with what is answered; undefined: none, so that nothing claims a place or a MAC anew. */
  pending?: Pending | undefined;
  /** The change that reaches the nodes in slots; undefined: what changes is a node's own matter, and waits for no other. */
  change?: Change | undefined;
}

interface Row {
  node: string;
  observed: Record<string, unknown>;
  errors: Record<string, string>;
  wanted: Record<string, unknown>;
  generation: number;
  fqdn: string | null;
}

/**
 * Brings everything that follows from a node's intent and facts up to date: addresses, wanted state with its generation and
 * signature, placement, findings, and the columns that lists read. Safe at any time. Throws NodesRefused when intents contradict
 * themselves or other nodes'; those of these nodes may exchange what only one can have. Locks networks, then roll-outs, and after it the caller appends: the feed's lock is the last of all.
 *
 * @param actor who makes it so: of all nodes, or of each
 */
export async function project(
  tx: Tx,
  keys: Keys,
  ids: string[],
  actor: string | ReadonlyMap<string, string>,
  { pending, change }: ProjectOptions = {},
): Promise<Projected> {
  const projected: Projected = { affected: [], nodes: [], revisions: [] };
  if (ids.length === 0) return projected;
  const sorted = [...new Set(ids)].sort();
  const chunks = Array.from({ length: Math.ceil(sorted.length / CHUNK) }, (_, i) =>
    sorted.slice(i * CHUNK, (i + 1) * CHUNK),
  );
  const run: Run = {
    tx,
    keys,
    actorOf: (node) => (typeof actor === 'string' ? actor : actor.get(node)!),
    intents: new Map(),
    held: new Map(),
    asked: new Map(),
    networks: {},
    lastGiven: new Map(),
    moved: [],
    queued: [],
    refused: [],
    groups: await readDefinitions(tx),
    profiles: await readProfiles(tx),
    sshCa: fingerprintOfBlob(ed25519Blob(keys.sshHostCa().publicKey)),
  };
  for (const chunk of chunks) await readAsked(run, chunk, pending);
  refuse(run);
  await readAddressing(run, pending !== undefined);
  if (pending !== undefined && mayRename(pending)) await leaveNames(tx, namesOf(run.intents));
  await projectChunks(run, chunks, projected);
  refuse(run);
  if (pending !== undefined) await storeClaims(tx, run.intents, run.moved);
  await queueChange(tx, run.queued, change);
  return projected;
}

/** One call of project(). */
interface Run {
  tx: Tx;
  keys: Keys;
  actorOf: (node: string) => string;
  /** What the nodes are asked to be, and the addresses that they hold. */
  intents: Map<string, Intent>;
  held: Map<string, AllocationRow[]>;
  /** The addresses that they are to hold, and why they cannot have others. */
  asked: Map<string, AskedAddresses>;
  networks: Networks;
  /** See allocate(). */
  lastGiven: Map<string, string>;
  /** Nodes whose place is another now. */
  moved: string[];
  /** Nodes whose agent has something to do, or no longer has. */
  queued: QueuedNode[];
  /** Nodes whose intent cannot be stored. */
  refused: RefusedNode[];
  /** Saved groups. They are read under the nodes' locks: see judgeSome(). */
  groups: Definition[];
  /** What is expected of hardware. */
  profiles: Rule[];
  /** Fingerprint of the CA of SSH host keys. */
  sshCa: string;
}

function refuse({ refused }: Run): void {
  if (refused.length > 0) throw new NodesRefused(refused);
}

/** A name follows from these sections, and from the layers that the last two join. */
function mayRename(pending: Pending): boolean {
  return [...pending.values()].some((of) => 'hostname' in of || 'role' in of || 'placement' in of);
}

function namesOf(intents: Map<string, Intent>): Map<string, string | undefined> {
  return new Map([...intents].map(([node, intent]) => [node, hotOf({}, { ...intent }).fqdn]));
}

async function readAsked(
  { tx, intents, held, refused }: Run,
  ids: string[],
  pending: Pending | undefined,
): Promise<void> {
  const layers = await readLayers(tx, ids, { pending });
  const allocations = Map.groupBy(await readAllocations(tx, ids), ({ node }) => node!);
  for (const id of ids) {
    const intent = mergeLayers(layers.get(id) ?? []) as Intent;
    const [first, ...more] = pending === undefined ? [] : contradictions(intent.network ?? {});
    if (first !== undefined) refused.push({ node: id, problem: contradiction([first, ...more], `node ${id}: `) });
    intents.set(id, intent);
    held.set(id, allocations.get(id) ?? []);
  }
}

/**
 * Which network each address is taken from, and the locks for those that are to be given.
 *
 * @param anew addresses may go from one of the nodes to another
 */
async function readAddressing(run: Run, anew: boolean): Promise<void> {
  const { tx, intents, held, asked, refused } = run;
  if ([...intents.values()].every((intent) => demands(intent).length === 0)) return;
  await keepNetworks(tx);
  run.networks = await readNetworks(tx);
  for (const [node, intent] of intents) {
    const of = askedOf(node, intent, run.networks);
    if (of.refused[0] !== undefined) refused.push({ node, problem: of.refused[0] });
    asked.set(node, of);
  }
  refuse(run);
  const lacked = [...asked].flatMap(([node, of]) => lacking(of.asked, held.get(node)!));
  await lockNetworks(tx, [...new Set(lacked.map(({ network }) => network))]);
  if (anew) await leaveAddresses(tx, asked, held);
}

/** What PostgreSQL takes to store some nodes is the time to work out the next. It is asked one thing at a time. */
async function projectChunks(run: Run, chunks: string[][], projected: Projected): Promise<void> {
  let storing: Promise<void> = Promise.resolve();
  try {
    let rows = await readRows(run, chunks[0]!);
    for (const [i, ids] of chunks.entries()) {
      const made = await workOut(run, rows, projected);
      await storing;
      rows = i + 1 < chunks.length ? await readRows(run, chunks[i + 1]!) : [];
      storing = store(run, ids, made);
      // It is awaited below; until then a failure must not end the process.
      storing.catch(() => undefined);
    }
    await storing;
  } finally {
    // Nothing of it may come after the end of a transaction that failed.
    await storing.catch(() => undefined);
  }
}

/** Some nodes' rows, and their addresses; without the nodes that cannot have theirs. */
async function readRows({ tx, held, asked, lastGiven, refused }: Run, ids: string[]): Promise<Row[]> {
  const rows = await tx
    .selectFrom('node_now')
    .select(['node', 'observed', 'errors', 'wanted', 'generation', 'fqdn'])
    .where('node', 'in', ids)
    .orderBy('node')
    .execute();
  for (const { node } of rows) {
    const has = held.get(node)!;
    const wants = asked.get(node)?.asked ?? [];
    if (wants.length === 0 && has.length === 0) continue;
    try {
      held.set(node, await allocate(tx, node, wants, has, lastGiven));
    } catch (error) {
      refused.push(...refusedBy(error, node));
    }
  }
  const without = new Set(refused.map(({ node }) => node));
  return without.size === 0 ? rows : rows.filter(({ node }) => !without.has(node));
}

interface Made {
  updates: Update[];
  findings: NewFinding[];
}

async function store({ tx, refused }: Run, ids: string[], { updates, findings }: Made): Promise<void> {
  if (refused.length > 0) return;
  await writeFindings(tx, ids, findings);
  await storeUpdates(tx, updates);
}

async function workOut(run: Run, rows: Row[], projected: Projected): Promise<Made> {
  const { keys, networks } = run;
  const made: Made = { updates: [], findings: [] };
  for (const [i, row] of rows.entries()) {
    if (i % TURN === TURN - 1) await setImmediate();
    const intent = run.intents.get(row.node)!;
    const held = run.held.get(row.node)!;
    const { wanted, problems } = resolve({
      intent,
      observed: row.observed,
      allocations: held.filter(({ state }) => state === 'active'),
      networks,
      sshCa: run.sshCa,
    });
    const changed = canonical(wanted) !== canonical(row.wanted);
    const generation = row.generation + (changed ? 1 : 0);
    const waiting = run.asked.get(row.node)?.problems ?? [];
    made.findings.push(...findingsOf(row.node, wanted, row.observed, [...problems, ...waiting], held));
    const hot = hotOf(row.observed, wanted);
    made.findings.push(...profileFindings({ ...row, model: hot.model, role: hot.role }, run.profiles));
    made.updates.push({
      node: row.node,
      named: row.fqdn ?? undefined,
      generation,
      ...(changed ? { wanted, ...keys.signWanted(canonical({ node: row.node, generation, wanted })) } : {}),
      ...hot,
      groups: groupsOf(run.groups, row.observed, hot),
    });
    if (!changed) continue;
    if (canonical(row.wanted.placement ?? null) !== canonical(intent.placement ?? null)) run.moved.push(row.node);
    if (concernsMachine(row.wanted, wanted)) run.queued.push({ node: row.node, generation, wanted });
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
      actor: run.actorOf(row.node),
    });
  }
  return made;
}
