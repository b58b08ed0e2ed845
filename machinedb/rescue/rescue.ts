import { sql } from 'kysely';
import type { RescueStatus } from '../../shared/api/rescue-status.ts';
import { mergeLayers } from '../../shared/merge.ts';
import type { SshIntended } from '../../shared/sections/ssh.ts';
import { parseSshKey } from '../../shared/ssh-key.ts';
import type { Rescue } from '../boot/asked.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { newestDiscovery } from '../install/catalogue.ts';
import { readLayers } from '../intent/layers.ts';
import { closeRescue } from './close.ts';

export interface AskedRescue {
  node: string;
  operator: string | undefined;
  /** His key in one line; undefined: the one that the intent has of him. */
  publicKey: string | undefined;
  seconds: number;
  actor: string;
  reason: string;
}

/**
 * Opens a rescue, in place of one that is open. From its next boot from the network on the node runs the discovery image, which
 * lets this one key in. Throws when the node is not trusted, when no image has an SSH server, or when nobody knows the key.
 */
export async function openRescue(tx: Tx, asked: AskedRescue): Promise<RescueStatus> {
  const { node, seconds, actor, reason } = asked;
  const row = await tx
    .selectFrom('node')
    .select(['level', 'state', 'locked_reason', 'revoked_at', 'rescue'])
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('id', '=', node)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (row.level === 'claimed' || row.level === 'seen' || row.revoked_at !== null || row.state === 'retired')
    throw new Problem('conflict', `node ${node} is not approved: nobody is let in by a machine that is not trusted`);
  if (row.locked_reason !== null) throw new Problem('locked', `node ${node} is locked: ${row.locked_reason}`);
  if ((await newestDiscovery(tx))?.files.rescue === undefined)
    throw new Problem('conflict', 'no discovery image has an SSH server: machinedb image build discovery makes one');
  const { operator, key } = await keyOf(tx, asked);
  if (row.rescue !== null) await closeRescue(tx, node, actor, 'another one takes its place');
  const at = row.now.toISOString();
  const until = new Date(row.now.getTime() + seconds * 1000);
  const rescue: Rescue = { operator, key, by: actor, reason, at };
  await tx
    .updateTable('node')
    .set({ rescue: JSON.stringify(rescue), rescue_until: until })
    .where('id', '=', node)
    .execute();
  const status = toStatus(rescue, until);
  const data = { operator, fingerprint: status.fingerprint, until: status.until };
  await append(tx, [], [{ kind: 'rescue.opened', subject: `node/${node}`, actor, reason, data }]);
  return status;
}

/** Who is let in, and his key without a comment: it is written into a file of sshd's. */
async function keyOf(db: Reader, { node, operator, publicKey, actor }: AskedRescue) {
  const line = publicKey ?? (await intendedKey(db, node, operator));
  const [type, base64] = line.trim().split(/\s+/);
  return { operator: operator ?? actor, key: `${type} ${base64}` };
}

async function intendedKey(db: Reader, node: string, operator: string | undefined): Promise<string> {
  if (operator === undefined) throw new Problem('invalid', 'nobody is named: give a public key, or an operator');
  const layers = (await readLayers(db, [node])).get(node) ?? [];
  const users = (mergeLayers(layers).ssh as SshIntended | undefined)?.authorized_keys ?? {};
  const lines = Object.values(users).flatMap((keys) => keys[operator] ?? []);
  const fingerprints = new Set(lines.map((line) => parseSshKey(line)?.fingerprint));
  if (fingerprints.size > 1)
    throw new Problem(
      'conflict',
      `the intent of this node has several keys of ${operator}: give the one that is meant`,
    );
  if (lines[0] === undefined)
    throw new Problem(
      'invalid',
      `the intent of this node has no key of ${operator}: give it, or intend it (section ssh, authorized_keys)`,
    );
  return lines[0];
}

/** The rescue of a node that is open; undefined: none is. */
export async function openRescueOf(db: Reader, node: string): Promise<RescueStatus | undefined> {
  const row = await db
    .selectFrom('node')
    .select(['rescue', 'rescue_until'])
    .where('id', '=', node)
    .where(inRescue)
    .executeTakeFirst();
  return row === undefined ? undefined : toStatus(row.rescue!, row.rescue_until!);
}

/** Whether a rescue of `node` is open: a person is at work on its disks, or is about to be. */
export const inRescue = sql<boolean>`coalesce(node.rescue_until > clock_timestamp(), false)`;

/** A rescue as the API shows it. */
function toStatus({ key, ...rescue }: Rescue, until: Date): RescueStatus {
  const fingerprint = parseSshKey(key)?.fingerprint ?? '';
  return { ...rescue, fingerprint, until: until.toISOString() };
}
