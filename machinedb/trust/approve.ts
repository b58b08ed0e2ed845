import { timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent, type NewRevision } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { isQuarantined } from '../identity/quarantine.ts';
import { lockSubjects } from '../intent/intent.ts';
import { inherited } from '../intent/layers.ts';
import { type ProjectOptions, project } from '../intent/project.ts';
import type { Keys } from './keys.ts';
import { moveNode, recordMove } from './node-state.ts';

export interface Approval {
  node: string;
  /** The key that is approved; it must be the one that waits. */
  fingerprint: string;
  actor: string;
  reason: string;
  site?: string | null;
  role?: string | null;
}

/**
 * Trusts a node's key. Throws when it is not the key that waits for approval.
 *
 * @param before appends what led to it
 */
export async function approve(tx: Tx, keys: Keys, approval: Approval, before?: () => Promise<unknown>): Promise<void> {
  const { node, fingerprint, actor, reason } = approval;
  await lockSubjects(tx, [], inherited(given(approval)));
  const row = await tx.selectFrom('node').selectAll().where('id', '=', node).forUpdate().executeTakeFirstOrThrow();
  if (row.merged_into !== null)
    throw new Problem(
      'conflict',
      `node ${node} is merged into ${row.merged_into}: approve that, or split this one first`,
    );
  if (await isQuarantined(tx, node)) {
    const detail = `nobody can tell which machine node ${node} is: look at machinedb quarantine show ${node}, then merge or split it`;
    throw new Problem('conflict', detail);
  }
  const nodeKeys = await tx.selectFrom('node_key').selectAll().where('node', '=', node).execute();
  const pending = nodeKeys.find(({ status }) => status === 'pending');
  const current = nodeKeys.find(({ status }) => status === 'current');
  const revoked = nodeKeys.filter(({ status }) => status === 'revoked' && row.revoked_at !== null);
  const waiting = pending ?? (row.level === 'claimed' || row.locked_at !== null ? current : undefined);
  const choices = waiting === undefined ? revoked : [waiting];
  if (choices.length === 0) throw new Problem('conflict', `node ${node} has no key that waits for approval`);
  const chosen = choices.find((key) => isEqual(key.fingerprint, fingerprint));
  if (chosen === undefined) {
    const names = choices.map((key) => key.fingerprint).join(', ');
    const detail = `the key that waits for approval on node ${node} is ${names}, not ${fingerprint}: compare with the node's console`;
    throw new Problem('conflict', detail);
  }
  if (pending !== undefined && current !== undefined) await setStatus(tx, current.fingerprint, 'retired');
  await setStatus(tx, chosen.fingerprint, 'current');
  // A person has judged which copy is the machine: boots that took turns before count no more.
  if (row.locked_at !== null) await tx.deleteFrom('node_boot').where('node', '=', node).execute();
  await tx
    .updateTable('node')
    .set({ locked_at: null, locked_reason: null, revoked_at: null })
    .where('id', '=', node)
    .execute();
  const moved = await moveNode(
    tx,
    node,
    { level: 'approved', ...(row.state === 'discovered' ? { state: 'approved' as const } : {}) },
    actor,
    reason,
  );
  const subject = `node/${node}`;
  const { rows: said } = await sql<{ section: string }>`
    select section from revision where subject = ${subject} and side = 'intended' and upper_inf(valid) and data is not null`.execute(
    tx,
  );
  const has = new Set(said.map(({ section }) => section));
  const intended = initialIntents(approval).filter(({ section }) => !has.has(section));
  const projected = await project(tx, keys, [node], actor, pendingOf(intended));
  await before?.();
  await append(tx, [...intended, ...moved.revisions, ...projected.revisions], [approved(approval), ...moved.events]);
}

/**
 * Trusts the keys of nodes that were made in this transaction, so that nothing else is known of them yet.
 *
 * @param before appends what led to it
 */
export async function approveNew(
  tx: Tx,
  keys: Keys,
  approvals: Approval[],
  before: () => Promise<unknown>,
): Promise<void> {
  await lockSubjects(
    tx,
    [],
    approvals.flatMap((each) => inherited(given(each))),
  );
  const nodes = approvals.map(({ node }) => node);
  const to = { state: 'approved', level: 'approved' } as const;
  await tx
    .updateTable('node')
    .set({ ...to, state_at: sql<Date>`clock_timestamp()` })
    .where('id', 'in', nodes)
    .execute();
  const moved = approvals.map(({ node, actor, reason }) => recordMove(node, 'discovered', to, actor, reason));
  const intended = approvals.flatMap(initialIntents);
  const actors = new Map(approvals.map(({ node, actor }) => [node, actor]));
  const projected = await project(tx, keys, nodes, actors, pendingOf(intended));
  await before();
  await append(
    tx,
    [...intended, ...moved.flatMap(({ revisions }) => revisions), ...projected.revisions],
    approvals.flatMap((each, i) => [approved(each), ...moved[i]!.events]),
  );
}

function approved({ node, fingerprint, actor, reason }: Approval): NewEvent {
  return { kind: 'node.approved', subject: `node/${node}`, actor, reason, data: { fingerprint } };
}

/** The sections of intent that come with an approval. */
function given({ site, role }: Approval) {
  return {
    ...(site == null ? {} : { placement: { site } }),
    ...(role == null ? {} : { role: { name: role } }),
  };
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

async function setStatus(tx: Tx, fingerprint: string, status: 'current' | 'retired'): Promise<void> {
  await tx.updateTable('node_key').set({ status }).where('fingerprint', '=', fingerprint).execute();
}

/** The place and role that a rule or join token gives; what a person has said already goes before it. */
function initialIntents(approval: Approval): NewRevision[] {
  const { node, actor, reason } = approval;
  const common = { subject: `node/${node}`, side: 'intended', source: 'operator', actor, reason } as const;
  return Object.entries(given(approval)).map(([section, data]) => ({ ...common, section, data }));
}

function pendingOf(intended: NewRevision[]): ProjectOptions {
  if (intended.length === 0) return {};
  const of = Map.groupBy(intended, ({ subject }) => subject);
  const sections = (list: NewRevision[]) => Object.fromEntries(list.map(({ section, data }) => [section, data]));
  return { pending: new Map([...of].map(([subject, list]) => [subject, sections(list)])) };
}
