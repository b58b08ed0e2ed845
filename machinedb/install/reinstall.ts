import { sql } from 'kysely';
import type { InstallStatus } from '../../shared/api/install-status.ts';
import type { Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import type { InstallProgress, InstallRequest } from '../schema.ts';
import { imageOf } from './catalogue.ts';

export interface Asked {
  node: string;
  /** Image; the intended one when undefined. */
  image: string | undefined;
  wipe: boolean;
  actor: string;
  reason: string;
}

/**
 * Raises the node's reinstall generation: from now on its disk may be written, once. Throws when the node is not approved,
 * out of service, or when there is no such disk image.
 */
export async function askInstall(tx: Tx, { node, image, wipe, actor, reason }: Asked): Promise<InstallStatus> {
  const row = await tx
    .selectFrom('node')
    .innerJoin('node_now', 'node_now.node', 'node.id')
    .select(['level', 'state', 'wanted', 'locked_reason', 'revoked_at', 'reinstall'])
    .where('node.id', '=', node)
    .forUpdate('node')
    .executeTakeFirstOrThrow();
  if (row.level === 'claimed' || row.level === 'seen' || row.revoked_at !== null)
    throw new Problem(
      'conflict',
      `node ${node} is not approved: nothing is installed on a machine that is not trusted`,
    );
  if (row.locked_reason !== null) throw new Problem('locked', `node ${node} is locked: ${row.locked_reason}`);
  if (row.state === 'retired' || row.state === 'maintenance' || row.state === 'broken')
    throw new Problem(
      'conflict',
      `node ${node} is in state ${row.state}: bring it back first, machinedb state ${node} active`,
    );
  const name = image ?? (row.wanted.image as { name?: string } | undefined)?.name;
  if (name === undefined)
    throw new Problem(
      'invalid',
      'no image is intended for this node: name one, or intend it (section image) for its role',
    );
  const { kind } = await imageOf(tx, name);
  if (kind !== 'disk')
    throw new Problem('invalid', `image ${name} is of kind ${kind}: only a disk image can be installed`);
  const generation = row.reinstall + 1;
  const request: InstallRequest = { image: name, wipe, by: actor, reason, at: new Date().toISOString() };
  await tx
    .updateTable('node')
    .set({ reinstall: generation, install_request: JSON.stringify(request), install_progress: null })
    .where('id', '=', node)
    .execute();
  await append(
    tx,
    [],
    [{ kind: 'install.asked', subject: `node/${node}`, actor, reason, data: { generation, image: name, wipe } }],
  );
  return toStatus(generation, generation - 1, request, null);
}

/** Takes back an install that is not done. Throws when there is none. */
export async function cancelInstall(tx: Tx, node: string, actor: string, reason: string): Promise<void> {
  const row = await tx
    .updateTable('node')
    .set({ installed: sql<number>`reinstall` })
    .where('id', '=', node)
    .whereRef('installed', '<', 'reinstall')
    .returning('reinstall')
    .executeTakeFirst();
  if (row === undefined)
    throw new Problem('conflict', `no install of node ${node} is asked for: there is nothing to take back`);
  const data = { generation: row.reinstall };
  await append(tx, [], [{ kind: 'install.cancelled', subject: `node/${node}`, actor, reason, data }]);
}

export function toStatus(
  generation: number,
  installed: number,
  request: InstallRequest,
  progress: InstallProgress | null,
): InstallStatus {
  const { generation: of, ...told } = progress ?? { generation: 0 };
  return {
    generation,
    ...request,
    pending: generation > installed,
    ...(of === generation ? { progress: told as InstallStatus['progress'] } : {}),
  };
}
