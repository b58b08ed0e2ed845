import type { Context, Handlers } from '../context.ts';
import { nodeForRead } from '../nodes/node-ref.ts';
import { listParts, partHistory } from '../parts/read.ts';

export const partRoutes = {
  listParts: async ({ db }: Context, { input: { query } }) => {
    const node = query.node === undefined ? undefined : await nodeForRead(db, query.node);
    return await listParts(db, { ...query, node });
  },
  getPart: async ({ db }, { input: { params } }) => await partHistory(db, params.serial),
} satisfies Partial<Handlers>;
