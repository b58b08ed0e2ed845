import { sql } from 'kysely';
import type { InstallPhase } from '../../shared/api/install-status.ts';
import { ATTEMPTS } from '../boot/decide.ts';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';
import { inRescue } from '../rescue/rescue.ts';
import type { InstallProgress } from '../schema.ts';
import { moveNode } from '../trust/node-state.ts';

export interface Told {
  generation: number;
  phase: InstallPhase;
  percent?: number | undefined;
  disk?: string | undefined;
  message?: string | undefined;
}

/** Every so many percent are an event. */
const STEP = 25;

/**
 * Records how far an install is. Answers whether it is still wanted: a request that was taken back, replaced or put on hold
 * is not. The end of the newest one closes the window in which the disk may be written.
 */
export async function tellInstall(tx: Tx, node: string, told: Told): Promise<{ proceed: boolean }> {
  const row = await tx
    .selectFrom('node')
    .select(['state', 'reinstall', 'installed', 'install_progress', 'hold', 'locked_at'])
    .select([sql<boolean>`(select hold from fleet)`.as('fleet_hold'), inRescue.as('rescue')])
    .where('id', '=', node)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const { generation, phase } = told;
  // A retry of the last word: its first answer was lost.
  if (phase === 'installed' && row.installed === generation) return { proceed: true };
  if (generation !== row.reinstall || row.installed >= generation) return { proceed: false };
  // The disk is whole by then: a hold that comes now stops nothing.
  const stopped = row.hold || row.fleet_hold || row.locked_at !== null || row.rescue;
  if (stopped && phase === 'started') return { proceed: false };
  const before = row.install_progress?.generation === generation ? row.install_progress : null;
  const attempts = (before?.attempts ?? 0) + (phase === 'started' ? 1 : 0);
  const progress: InstallProgress = {
    ...told,
    attempts,
    disk: told.disk ?? before?.disk,
    at: new Date().toISOString(),
  };
  await tx
    .updateTable('node')
    .set({
      install_progress: JSON.stringify(progress),
      ...(phase === 'installed' ? { installed: generation, starts_disk: false } : {}),
    })
    .where('id', '=', node)
    .execute();
  const subject = `node/${node}`;
  const state = phase === 'installed' ? ('configuring' as const) : ('installing' as const);
  const moved =
    phase === 'failed'
      ? { revisions: [], events: [] }
      : await moveNode(tx, node, { state }, subject, `install ${generation}`);
  const events: NewEvent[] = isNews(before, progress)
    ? [{ kind: `install.${phase}`, subject, actor: subject, reason: told.message, data: { ...progress } }]
    : [];
  await append(tx, moved.revisions, [...events, ...moved.events]);
  await storeFailure(tx, node, progress);
  return { proceed: true };
}

/** Progress within a phase is told in steps, and a cause that lasts once, so that ten thousand installs do not flood the feed. */
function isNews(before: InstallProgress | null, now: InstallProgress): boolean {
  if (before?.phase !== now.phase || now.phase === 'started') return true;
  if (now.phase === 'failed') return before.message !== now.message;
  return Math.floor((before.percent ?? 0) / STEP) !== Math.floor((now.percent ?? 0) / STEP);
}

/** A failed install is a finding that says why; one that goes on loses it. */
async function storeFailure(tx: Tx, node: string, { phase, message, attempts, generation }: InstallProgress) {
  await tx
    .deleteFrom('finding')
    .where('node', '=', node)
    .where('section', '=', 'state')
    .where('path', '=', '/install')
    .execute();
  if (phase === 'failed') {
    const next =
      attempts >= ATTEMPTS ? 'it is not tried again: mend the cause, then machinedb reinstall' : 'it is tried again';
    await tx
      .insertInto('finding')
      .values({
        node,
        section: 'state',
        path: '/install',
        kind: 'mismatch',
        severity: 'error',
        expected: '"installed"',
        got: '"failed"',
        message: `install ${generation} failed: ${message ?? 'no cause was told'}; ${next}`,
      })
      .execute();
  }
  await countFindings(tx, [node]);
}
