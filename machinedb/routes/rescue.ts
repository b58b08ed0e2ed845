import { sql } from 'kysely';
import { DEFAULT_S } from '../../shared/api/rescue.ts';
import { fingerprintOfBlob } from '../../shared/ssh-certificate.ts';
import type { Rescue } from '../boot/asked.ts';
import { askOnce } from '../boot/once.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import { type Reader, transaction } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';
import { viewNode } from '../nodes/node-view.ts';
import { closeRescue } from '../rescue/close.ts';
import { openRescue } from '../rescue/rescue.ts';
import { certifyRescueKey } from '../trust/ssh-host-ca.ts';
import { nodeCaller } from './self.ts';

export const rescueRoutes = {
  openRescue: async (context, request) =>
    await write(context, request, async (tx) => {
      const { operator, public_key: publicKey, seconds, reason } = request.input.body;
      const node = await nodeForWrite(tx, request.input.params.node);
      const by = actor(request.caller);
      const asked = { node, operator, publicKey, seconds: seconds ?? DEFAULT_S, actor: by, reason };
      const rescue = await openRescue(tx, asked);
      return { node: await viewNode(tx, node), rescue };
    }),
  closeRescue: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      await closeRescue(tx, node, actor(request.caller), request.input.body.reason ?? 'it was ended');
      return { node: await viewNode(tx, node) };
    }),
  bootOnce: async (context, request) =>
    await write(context, request, async (tx) => {
      const { target, seconds, reason } = request.input.body;
      const node = await nodeForWrite(tx, request.input.params.node);
      const by = actor(request.caller);
      const boot_once = await askOnce(tx, { node, target, seconds: seconds ?? DEFAULT_S, actor: by, reason });
      return { node: await viewNode(tx, node), boot_once };
    }),
  getSelfRescue: async ({ db }: Context, { caller }) => {
    const { rescue, left } = await openOf(db, nodeCaller(caller).node);
    return { operator: rescue.operator, public_key: rescue.key, seconds_left: left };
  },
  certifySelfRescue: async ({ db, keys, now }, { caller, input: { body }, remote }) => {
    const { node } = nodeCaller(caller);
    return await transaction(db, async (tx) => {
      const { rescue, left, wanted } = await openOf(tx, node);
      const { certificate, blob } = certifyRescueKey(keys, node, wanted, body.public_key, now(), left);
      const host = { address: remote, fingerprint: fingerprintOfBlob(blob) };
      await tx
        .updateTable('node')
        .set({ rescue: JSON.stringify({ ...rescue, host } satisfies Rescue) })
        .where('id', '=', node)
        .execute();
      return { certificate };
    });
  },
} satisfies Partial<Handlers>;

/** The rescue of a node that is open, and how long it will be, seconds. */
async function openOf(db: Reader, node: string) {
  const row = await db
    .selectFrom('node')
    .innerJoin('node_now', 'node_now.node', 'node.id')
    .select(['rescue', 'wanted', 'locked_reason'])
    .select(sql<number>`extract(epoch from rescue_until - clock_timestamp())::float8`.as('left'))
    .where('id', '=', node)
    .executeTakeFirstOrThrow();
  if (row.locked_reason !== null) throw new Problem('locked', `nobody is let in: ${row.locked_reason}`);
  if (row.rescue === null || row.left <= 0)
    throw new Problem('forbidden', 'the rescue is over: this machine boots as before');
  return { ...row, rescue: row.rescue };
}
