import { sql } from 'kysely';
import type { BulkItem, BulkOutcome, BulkReply } from '../../shared/api/bulk.ts';
import type { IntentSection } from '../../shared/api/intent.ts';
import { canonical } from '../../shared/canonical.ts';
import { isMembers, mergePatch } from '../../shared/merge.ts';
import type { Tx } from '../db.ts';
import { append, type NewEvent, type NewRevision } from '../feed/feed.ts';
import { toDatabaseProblem } from '../http/database-problem.ts';
import { Problem } from '../http/problem.ts';
import { NodesRefused, type RefusedNode } from '../places/refused.ts';
import type { Keys } from '../trust/keys.ts';
import { type Assignment, assignmentIntents } from './assign.ts';
import { type Refused, resolveTargets, type Target } from './bulk-targets.ts';
import { checkAffected, type IntentChange, joinedBy, lockSubjects, type WriteOptions } from './intent.ts';
import { checkIntent } from './intent-check.ts';
import { type Pending, readIntents } from './layers.ts';
import { type Projected, project } from './project.ts';

type Sections = Partial<Record<IntentSection, unknown>>;

/** A node with the sections of its own intent that become others. */
interface Work extends Target {
  changes: IntentChange[];
}

/** Options of a bulk write. `mode` all: one node that cannot be written refuses the whole. */
export interface BulkOptions extends Omit<WriteOptions, 'event' | 'reason'> {
  mode: 'all' | 'each';
  reason: string;
}

/**
 * Writes the own intents of many nodes in the caller's transaction, with all that follows from them. Takes its locks in the order
 * of writeIntents(): subjects, nodes, and the feed's as the last. What is about several nodes reaches them in the slots of their roles.
 */
export async function writeBulk(tx: Tx, keys: Keys, items: BulkItem[], options: BulkOptions): Promise<BulkReply> {
  const { targets, refused } = await resolveTargets(tx, items);
  const total = targets.length + refused.length;
  const subjects = targets.map(({ node }) => `node/${node}`);
  await lockSubjects(tx, subjects);
  const work = await toWork(tx, targets, refused);
  const changes = work.flatMap((each) => each.changes);
  await lockSubjects(tx, subjects, changes.flatMap(joinedBy));
  await sql`select from node where id = any (${targets.map(({ node }) => node)}::uuid[]) order by id for update`.execute(
    tx,
  );

  const run: Run = { tx, keys, options, pending: new Map(), projected: [], refused };
  const written = await attempt(
    run,
    work.filter((each) => each.changes.length > 0),
  );
  if (options.mode === 'all' && refused.length > 0) throw refusal(refused, total);
  const affected = run.projected.reduce((sum, each) => sum + each.affected.length, 0);
  checkAffected(affected, options.maxAffected);
  await record(run, written);
  const done = new Set(written.map(({ node }) => node));
  const outcomes = [
    ...work.map(
      ({ item, node, name }): BulkOutcome => ({ item, node, name, state: done.has(node) ? 'done' : 'unchanged' }),
    ),
    ...refused.map(({ problem, ...which }): BulkOutcome => ({ ...which, state: 'failed', problem: told(problem) })),
  ];
  // What was tried and refused is in both.
  const last = [...new Map(outcomes.map((outcome) => [`${outcome.item} ${outcome.node ?? ''}`, outcome])).values()];
  const count = (state: BulkOutcome['state']) => last.filter((outcome) => outcome.state === state).length;
  return {
    applied: options.applied,
    affected,
    done: count('done'),
    unchanged: count('unchanged'),
    failed: count('failed'),
    items: last.sort((a, b) => a.item - b.item || (a.name < b.name ? -1 : 1)),
    nodes: run.projected.flatMap(({ nodes }) => nodes).slice(0, 1000),
  };
}

interface Run {
  tx: Tx;
  keys: Keys;
  options: BulkOptions;
  /** Intents of the nodes that went well so far. */
  pending: Pending;
  projected: Projected[];
  refused: Refused[];
}

/** What the items say of each node's own intent; those that are wrong in themselves are put with the refused. */
async function toWork(tx: Tx, targets: Target[], refused: Refused[]): Promise<Work[]> {
  const own = new Map<string, Sections>();
  for (const { subject, section, data } of await readIntents(
    tx,
    targets.map(({ node }) => `node/${node}`),
  ))
    own.set(subject, { ...own.get(subject), [section]: data });
  const work: Work[] = [];
  for (const target of targets) {
    try {
      work.push({ ...target, changes: await changesOf(tx, target, own.get(`node/${target.node}`) ?? {}) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.push({ item: target.item, node: target.node, name: target.name, problem: error });
    }
  }
  return work;
}

async function changesOf(tx: Tx, { node, asked }: Target, own: Sections): Promise<IntentChange[]> {
  const { node: _, group, intended = {}, ...assignment } = asked;
  const assigned = await assignmentIntents(tx, node, assignment as Assignment, own);
  const patches: [IntentSection, unknown][] = Object.entries({ ...assigned, ...intended }) as [
    IntentSection,
    unknown,
  ][];
  if (patches.length === 0) throw new Problem('invalid', 'nothing is given: say what it shall get');
  const changes = patches.map(([section, patch]): IntentChange => {
    const base = intended[section] === undefined ? own[section] : mergePatch(own[section], assigned[section] ?? {});
    const data = isMembers(patch) ? mergePatch(base, patch) : patch;
    return { subject: `node/${node}`, section, data, precondition: 'any' };
  });
  for (const change of changes) await checkIntent(tx, change);
  return changes.filter(({ section, data }) => canonical(data) !== canonical(own[section] ?? null));
}

/** How often the nodes that are to blame are left out: each time others may be, who counted on what those have. */
const ROUNDS = 8;

/**
 * Projects all at once; where that is refused, without the nodes that are to blame. What cannot say who is, is halved, down to
 * the single nodes. Answers what went well.
 */
async function attempt(run: Run, work: Work[], rounds = ROUNDS): Promise<Work[]> {
  if (work.length === 0) return [];
  const { tx, keys, options } = run;
  const pending = new Map(run.pending);
  for (const { subject, section, data } of work.flatMap(({ changes }) => changes))
    pending.set(subject, { ...pending.get(subject), [section]: data });
  const what = `${[...new Set(work.flatMap(({ changes }) => changes.map(({ section }) => section)))].join(', ')} of ${work.length} nodes`;
  const change = work.length === 1 ? undefined : { what, actor: options.actor, reason: options.reason };
  await sql`savepoint bulk`.execute(tx);
  try {
    const nodes = work.map(({ node }) => node);
    run.projected.push(await project(tx, keys, nodes, options.actor, { pending, change }));
    run.pending = pending;
    await sql`release savepoint bulk`.execute(tx);
    return work;
  } catch (error) {
    const problem = refusalOf(error);
    if (problem === undefined) throw error;
    await sql`rollback to savepoint bulk`.execute(tx);
    await sql`release savepoint bulk`.execute(tx);
    const blamed = error instanceof NodesRefused && rounds > 0 ? error.refused : [];
    const reasons = new Map<string | undefined, RefusedNode>(blamed.map((each) => [each.node, each]));
    const [first] = work;
    if (work.length === 1 && !reasons.has(first!.node)) reasons.set(first!.node, { problem });
    if (reasons.size > 0) {
      blame(run, work, reasons);
      const rest = work.filter(({ node }) => !reasons.has(node));
      return await attempt(run, rest, rounds - 1);
    }
    const half = Math.ceil(work.length / 2);
    return [...(await attempt(run, work.slice(0, half), 0)), ...(await attempt(run, work.slice(half), 0))];
  }
}

/** Where all or none is written, who asked for what a refused node would have left is not to blame. */
function blame({ options, refused }: Run, work: Work[], reasons: Map<string | undefined, RefusedNode>): void {
  const before = new Set(refused.map(({ node }) => node));
  for (const { item, node, name } of work) {
    const reason = reasons.get(node);
    if (reason === undefined) continue;
    if (options.mode === 'all' && reason.holder !== undefined && before.has(reason.holder)) continue;
    refused.push({ item, node, name, problem: reason.problem });
  }
}

/** What an error says of the intents; undefined: it is about something else, or about others that were in the way. */
function refusalOf(error: unknown): Problem | undefined {
  const problem = error instanceof Problem ? error : toDatabaseProblem(error);
  return problem === undefined || problem.status >= 500 ? undefined : problem;
}

async function record({ tx, options, projected }: Run, written: Work[]): Promise<void> {
  const { actor, reason } = options;
  const common = { side: 'intended', source: 'operator', actor, reason } as const;
  const revisions: NewRevision[] = written.flatMap(({ changes }) =>
    changes.map(({ subject, section, data }) => ({ ...common, subject, section, data })),
  );
  const events = written.map(
    ({ node, asked: { node: _, ...data } }): NewEvent => ({
      kind: 'node.assigned',
      subject: `node/${node}`,
      actor,
      reason,
      data,
    }),
  );
  await append(tx, [...revisions, ...projected.flatMap((each) => each.revisions)], events);
}

/** All or nothing: why it is nothing, with every node to blame. */
function refusal(refused: Refused[], nodes: number): Problem {
  refused.sort((a, b) => a.item - b.item);
  const errors = refused.slice(0, 50).map(({ item, name, problem }) => ({
    detail: `${name}: ${problem.message}`,
    pointer: `/items/${item}`,
  }));
  const [{ item, name, problem }] = refused as [Refused];
  const message = `nothing was changed, ${refused.length} of ${nodes} nodes cannot be written: item ${item}, ${name}: ${problem.message}`;
  return new Problem(problem.code, message, { errors });
}

function told({ code, message, errors }: Problem): NonNullable<BulkOutcome['problem']> {
  return { code, detail: message, pointer: errors[0]?.pointer };
}
