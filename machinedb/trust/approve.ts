import { timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewRevision } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { isQuarantined } from '../identity/quarantine.ts';
import { lockSubjects } from '../intent/intent.ts';
import { inherited } from '../intent/layers.ts';
import { project } from '../intent/project.ts';
import type { Keys } from './keys.ts';
import { moveNode } from './node-state.ts';

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
  const { node, fingerprint, actor, reason, site, role } = approval;
  const given = {
    ...(site == null ? {} : { placement: { site } }),
    ...(role == null ? {} : { role: { name: role } }),
  };
  await lockSubjects(tx, [], inherited(given));
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
  const intended = await initialIntents(tx, approval);
  const subject = `node/${node}`;
  const sections = Object.fromEntries(intended.map(({ section, data }) => [section, data]));
  const projected = await project(
    tx,
    keys,
    [node],
    actor,
    intended.length === 0 ? {} : { pending: new Map([[subject, sections]]) },
  );
  await before?.();
  await append(
    tx,
    [...intended, ...moved.revisions, ...projected.revisions],
    [{ kind: 'node.approved', subject, actor, reason, data: { fingerprint } }, ...moved.events],
  );
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

async function setStatus(tx: Tx, fingerprint: string, status: 'current' | 'retired'): Promise<void> {
  await tx.updateTable('node_key').set({ status }).where('fingerprint', '=', fingerprint).execute();
}

/** The place and role that a rule or join token gives, unless a person has said otherwise already. */
async function initialIntents(tx: Tx, { node, site, role, actor, reason }: Approval): Promise<NewRevision[]> {
  const subject = `node/${node}`;
  const { rows } = await sql<{ section: string }>`
    select section from revision where subject = ${subject} and side = 'intended' and upper_inf(valid) and data is not null`.execute(
    tx,
  );
  const has = new Set(rows.map(({ section }) => section));
  const common = { subject, side: 'intended', source: 'operator', actor, reason } as const;
  return [
    ...(site == null || has.has('placement') ? [] : [{ ...common, section: 'placement', data: { site } }]),
    ...(role == null || has.has('role') ? [] : [{ ...common, section: 'role', data: { name: role } }]),
  ];
}
