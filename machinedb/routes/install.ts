import { sql } from 'kysely';
import { explainBoot } from '../boot/boot.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { storeApplied } from '../install/applied.ts';
import { catalogue, imageOf, toImage } from '../install/catalogue.ts';
import { orderOf } from '../install/order.ts';
import { tellInstall } from '../install/progress.ts';
import { askInstall, cancelInstall } from '../install/reinstall.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';
import { viewNode } from '../nodes/node-view.ts';
import { inRescue } from '../rescue/rescue.ts';
import { certifyHostKey, describeSshCa } from '../trust/ssh-host-ca.ts';
import { nodeCaller } from './self.ts';

export const installRoutes = {
  listImages: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('image')
      .selectAll()
      .where('name', '>', readCursor(query.cursor) ?? '')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      ({ name, kind, manifest, created_by }) => ({
        name,
        kind,
        architecture: manifest.architecture,
        size_bytes: Object.values(manifest.files).reduce((sum, file) => sum + file.size, 0),
        built_at: manifest.built_at,
        created_by,
      }),
    );
  },
  getImage: async ({ db }, { input: { params } }) => toImage(await imageOf(db, params.image)),
  putImage: async (context, request) =>
    await write(context, request, async (tx) => {
      const { params, body } = request.input;
      if (body.name !== params.image)
        throw new Problem('invalid', `the manifest is of image ${body.name}, and the path names ${params.image}`);
      return toImage(await catalogue(tx, context.keys, body, actor(request.caller)));
    }),
  explainBoot: async (context, { input: { query } }) => await explainBoot(context, query),
  reinstallNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const { image, wipe, reason } = request.input.body;
      const node = await nodeForWrite(tx, request.input.params.node);
      const install = await askInstall(tx, { node, image, wipe: wipe ?? false, actor: actor(request.caller), reason });
      return { node: await viewNode(tx, node), install };
    }),
  cancelInstall: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      await cancelInstall(tx, node, actor(request.caller), request.input.body.reason);
      return { node: await viewNode(tx, node) };
    }),
  getSelfInstall: async ({ db }, { caller }) => {
    const { node } = nodeCaller(caller);
    const row = await db
      .selectFrom('node')
      .innerJoin('node_now', 'node_now.node', 'node.id')
      .select(['reinstall', 'installed', 'install_progress', 'install_request', 'wanted', 'hold', 'locked_at'])
      .select([sql<boolean>`(select hold from fleet)`.as('fleet_hold'), inRescue.as('rescue')])
      .where('id', '=', node)
      .executeTakeFirstOrThrow();
    const stopped = row.hold || row.fleet_hold || row.locked_at !== null || row.rescue;
    const order = orderOf(row, stopped);
    if (order === undefined) return {};
    const { manifest, signature, key } = toImage(await imageOf(db, order.image));
    return { install: { ...order, image: { manifest, signature, key } } };
  },
  putSelfInstall: async ({ db }, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    return await transaction(db, (tx) => tellInstall(tx, node, body));
  },
  startSelfDisk: async ({ db }, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    const subject = `node/${node}`;
    await transaction(db, async (tx) => {
      const { starts_disk } = body;
      const { numUpdatedRows } = await tx
        .updateTable('node')
        .set({ starts_disk })
        .where('id', '=', node)
        .where('starts_disk', '<>', starts_disk)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) return;
      await append(tx, [], [{ kind: 'node.starts_disk', subject, actor: subject, data: { starts_disk } }]);
    });
    return body;
  },
  putSelfApplied: async ({ db }, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    await transaction(db, (tx) => storeApplied(tx, node, body));
    return {};
  },
  getSshCa: async ({ keys }) => describeSshCa(keys),
  signSelfSshHostKey: async (context, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    const row = await context.db
      .selectFrom('node_now')
      .innerJoin('node', 'node.id', 'node_now.node')
      .select(['wanted', 'locked_at', 'locked_reason'])
      .where('node', '=', node)
      .executeTakeFirstOrThrow();
    if (row.locked_at !== null) throw new Problem('locked', `a certificate is withheld: ${row.locked_reason}`);
    const certificate = certifyHostKey(context.keys, node, row.wanted, body.public_key, context.now());
    const subject = `node/${node}`;
    const data = {
      principals: Object.keys(
        (row.wanted.ssh as { host_certificate: { principals: object } }).host_certificate.principals,
      ),
    };
    await transaction(context.db, (tx) => append(tx, [], [{ kind: 'ssh.certified', subject, actor: subject, data }]));
    return { certificate };
  },
} satisfies Partial<Handlers>;
