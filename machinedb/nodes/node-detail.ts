import type { z } from 'zod';
import type { nodeDetail } from '../../shared/api/nodes.ts';
import { onceOf } from '../boot/once.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { hardwareAt } from '../identity/hardware.ts';
import { toStatus } from '../install/reinstall.ts';
import { openRescueOf } from '../rescue/rescue.ts';
import { fleetAt } from './asof.ts';
import { viewNode } from './node-view.ts';
import { sectionsAt } from './sections-at.ts';

type NodeDetail = z.infer<typeof nodeDetail>;

/** A node with its keys, hints and observed sections. */
export async function detailNow(db: Reader, id: string): Promise<NodeDetail> {
  const node = await viewNode(db, id);
  const more = await db
    .selectFrom('node')
    .innerJoin('node_now', 'node_now.node', 'node.id')
    .select(['hardware', 'observed', 'errors', 'reinstall', 'installed', 'install_request', 'install_progress'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const {
    hardware,
    observed,
    errors,
    reinstall,
    installed,
    install_request: request,
    install_progress: progress,
  } = more;
  const install = request === null ? {} : { install: toStatus(reinstall, installed, request, progress) };
  const asked = { rescue: await openRescueOf(db, id), boot_once: await onceOf(db, id) };
  const host_keys = await hostKeysOf(db, id, installed);
  const told = { hardware: { ...hardware }, ...host_keys, observed, errors };
  return { ...node, keys: await keysOf(db, id), ...told, ...install, ...asked };
}

/** The same at a time in the past. Keys are the present ones that were there; errors are kept in no history. */
export async function detailAt(db: Reader, id: string, time: string): Promise<NodeDetail> {
  const [then] = await fleetAt(db, time, { ids: [id] });
  if (then === undefined) throw new Problem('not_found', `there was no node "${id}" at ${time}: ask for a later time`);
  const keys = (await keysOf(db, id)).filter(({ added_at }) => Date.parse(added_at) <= Date.parse(time));
  const hardware = await hardwareAt(db, id, time);
  const observed = await sectionsAt(db, id, 'observed', time);
  return { ...then.node, keys, hardware: { ...hardware }, observed, errors: {} };
}

async function hostKeysOf(db: Reader, id: string, provision: number): Promise<Pick<NodeDetail, 'host_keys'>> {
  const row = await db
    .selectFrom('seed')
    .select('phoned')
    .where('node', '=', id)
    .where('provision', '=', provision)
    .executeTakeFirst();
  return row?.phoned == null ? {} : { host_keys: row.phoned.host_keys };
}

async function keysOf(db: Reader, id: string): Promise<NodeDetail['keys']> {
  const rows = await db
    .selectFrom('node_key')
    .select(['fingerprint', 'kind', 'status', 'added_at'])
    .where('node', '=', id)
    .orderBy('added_at')
    .execute();
  return rows.map((row) => ({ ...row, added_at: row.added_at.toISOString() }));
}
