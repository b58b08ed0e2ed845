import { actor, type Context, type Handlers } from '../context.ts';
import { write } from '../http/write.ts';
import { mergeNodes } from '../identity/merge.ts';
import { listQuarantine } from '../identity/quarantine.ts';
import { splitNode } from '../identity/split.ts';
import { nodeForRead, nodeForWrite } from '../nodes/node-ref.ts';
import { viewNode } from '../nodes/node-view.ts';

export const identityRoutes = {
  listQuarantine: async ({ db }: Context, { input: { query } }) => await listQuarantine(db, query),
  getQuarantine: async ({ db }, { input: { params } }) => {
    const node = await nodeForRead(db, params.node);
    const { items } = await listQuarantine(db, { node, closed: true, limit: 1000 });
    return { items };
  },
  mergeNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const { into: other, reason } = request.input.body;
      const into = await nodeForWrite(tx, other);
      await mergeNodes(tx, node, into, { actor: actor(request.caller), reason });
      return { node: await viewNode(tx, node), into: await viewNode(tx, into) };
    }),
  splitNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const apart = await splitNode(tx, node, { actor: actor(request.caller), reason: request.input.body.reason });
      return { node: await viewNode(tx, node), apart };
    }),
} satisfies Partial<Handlers>;
