import type { Pattern } from '../../shared/groups/pattern.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import { type Db, transaction } from '../db.ts';
import { readGroup, readGroups, removeGroup, storeGroup } from '../groups/groups.ts';
import { countMembers, judgeSome } from '../groups/judge.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { write } from '../http/write.ts';
import { listNodes } from '../nodes/node-list.ts';

export const groupRoutes = {
  listGroups: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const after = readCursor(query.cursor, keyForms.name);
    const rows = await readGroups(db, { after, limit: limit + 1 });
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (group) => group,
    );
  },
  getGroup: async ({ db }, { input: { params } }) => await readGroup(db, params.group),
  putGroup: async (context, request) => {
    const { params, query, body } = request.input;
    const name = params.group;
    const written = await write(context, request, async (tx) => {
      await storeGroup(tx, { name, ...body }, actor(request.caller));
      const group = await readGroup(tx, name);
      return query.dry_run === true ? { ...group, members: await countMembers(tx, body.pattern as Pattern) } : group;
    });
    if (query.dry_run === true) return { ...written, current: true };
    await judgeAll(context.db);
    return await readGroup(context.db, name);
  },
  deleteGroup: async (context, request) => {
    const reply = await write(context, request, async (tx) => {
      await removeGroup(tx, request.input.params.group, actor(request.caller));
      return { deleted: true };
    });
    if (request.input.query.dry_run !== true) await judgeAll(context.db);
    return reply;
  },
  listGroupMembers: async ({ db }, { input: { params, query } }) =>
    await listNodes(db, { ...query, group: params.group }),
} satisfies Partial<Handlers>;

/** What does not come to its end here, since the daemon ends, a background task goes on with. */
async function judgeAll(db: Db): Promise<void> {
  while (await transaction(db, judgeSome));
}
