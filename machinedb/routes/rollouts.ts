import { actor, type Context, type Handlers } from '../context.ts';
import { type Tx, transaction } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { subjectOf } from '../rollout/outcome.ts';
import { lockRollouts, NO_ROLE } from '../rollout/queue.ts';
import { readRollouts } from '../rollout/show.ts';
import { askSlot } from '../rollout/slot.ts';
import { nodeCaller } from './self.ts';

export const rolloutRoutes = {
  listRollouts: async ({ db }: Context, { input: { query } }) => {
    if (query.role !== undefined) await checkRole(db, query.role);
    const limit = query.limit ?? 100;
    const after = readCursor(query.cursor, keyForms.name);
    return toPage(
      await readRollouts(db, { role: query.role, after, limit: limit + 1 }),
      limit,
      ({ role }) => role,
      (rollout) => rollout,
    );
  },
  putRollout: async (context, request) =>
    await write(context, request, async (tx) => {
      const { role } = request.input.params;
      const { slots, stop_after } = request.input.body;
      if (slots === undefined && stop_after === undefined)
        throw new Problem('invalid', 'nothing is set: give slots or stop_after');
      await checkRole(tx, role);
      await lockRollouts(tx, [role]);
      const settings = {
        ...(slots === undefined ? {} : { slots }),
        ...(stop_after === undefined ? {} : { stop_after }),
      };
      await tx.updateTable('rollout').set(settings).where('role', '=', role).execute();
      return await told(tx, role, { kind: 'rollout.set', actor: actor(request.caller), data: { role, ...settings } });
    }),
  resumeRollout: async (context, request) =>
    await write(context, request, async (tx) => {
      const { role } = request.input.params;
      await checkRole(tx, role);
      await lockRollouts(tx, [role]);
      const { numUpdatedRows } = await tx
        .updateTable('rollout')
        .set({ stopped_at: null, stopped_reason: null })
        .where('role', '=', role)
        .where('stopped_at', 'is not', null)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw new Problem('conflict', `the roll-out of role ${role} is not stopped`);
      // What stopped it has been looked at: it takes as many new roll-backs to stop it again.
      await tx
        .updateTable('rollout_turn')
        .set({ counts: false })
        .where('role', '=', role)
        .where('state', 'in', ['undone', 'failed'])
        .execute();
      const { reason } = request.input.body;
      return await told(tx, role, {
        ...{ kind: 'rollout.resumed', actor: actor(request.caller), reason, data: { role } },
      });
    }),
  askSelfSlot: async ({ db, config }, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    return await transaction(db, (tx) => askSlot(tx, node, body.generation, config.applyLimitMs));
  },
} satisfies Partial<Handlers>;

async function checkRole(db: Context['db'] | Tx, role: string): Promise<void> {
  if (role === NO_ROLE) return;
  const row = await db.selectFrom('role').select('name').where('name', '=', role).executeTakeFirst();
  if (row === undefined) throw new Problem('not_found', `there is no role "${role}": machinedb role list shows them`);
}

async function told(tx: Tx, role: string, event: Omit<NewEvent, 'subject'>) {
  await append(tx, [], [{ ...event, subject: subjectOf(role) }]);
  return (await readRollouts(tx, { role, limit: 1 }))[0]!;
}
