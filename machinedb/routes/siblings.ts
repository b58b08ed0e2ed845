import type { Context, Handlers } from '../context.ts';
import { siblings } from '../drift/siblings.ts';
import { nodeForRead } from '../nodes/node-ref.ts';

export const siblingRoutes = {
  listSiblings: async ({ db, config }: Context, { input: { query } }) =>
    await siblings(db, {
      by: query.by ?? 'model',
      group: query.name,
      node: query.node === undefined ? undefined : await nodeForRead(db, query.node),
      least: query.least ?? config.siblings.least,
      share: query.share ?? config.siblings.share,
      limit: query.limit ?? 100,
    }),
} satisfies Partial<Handlers>;
