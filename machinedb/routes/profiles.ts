import { sql } from 'kysely';
import { expectationsFrom } from '../../shared/profile-from.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { complianceOf, foreseenCompliance, profileNodes } from '../drift/compliance.ts';
import { judgeAllDue, restartJudging } from '../drift/judge.ts';
import { lockProfile, toProfile } from '../drift/profiles.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForRead } from '../nodes/node-ref.ts';

async function readProfile(db: Reader, name: string) {
  const row = await db.selectFrom('profile').selectAll().where('name', '=', name).executeTakeFirst();
  if (row === undefined)
    throw new Problem('not_found', `there is no profile "${name}": machinedb profile list shows them`);
  return toProfile(row);
}

export const profileRoutes = {
  listProfiles: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('profile')
      .selectAll()
      .where('name', '>', readCursor(query.cursor, keyForms.name) ?? '')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    return toPage(rows, limit, ({ name }) => name, toProfile);
  },
  getProfile: async ({ db }, { input: { params } }) => {
    const profile = await readProfile(db, params.profile);
    return { ...profile, compliance: await complianceOf(db, profile) };
  },
  putProfile: async (context, request) => {
    const { params, body, query } = request.input;
    const written = await write(context, request, async (tx) => {
      const { model, role, description, expect } = body;
      if (role !== undefined) {
        const known = await tx.selectFrom('role').select('name').where('name', '=', role).executeTakeFirst();
        if (known === undefined)
          throw new Problem(
            'invalid',
            `there is no role "${role}": machinedb role list shows them, machinedb role put ${role} makes it`,
          );
      }
      await lockProfile(tx, params.profile);
      const before = await tx
        .selectFrom('profile')
        .select(['model', 'role'])
        .where('name', '=', params.profile)
        .executeTakeFirst();
      const who = actor(request.caller);
      const values = {
        model: model ?? null,
        role: role ?? null,
        description: description ?? null,
        expect: JSON.stringify(expect),
        changed_by: who,
        changed_at: sql<Date>`now()`,
      };
      await tx
        .insertInto('profile')
        .values({ name: params.profile, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute();
      const profile = await readProfile(tx, params.profile);
      const compliance = await (query.dry_run === true ? foreseenCompliance : complianceOf)(tx, profile);
      await restartJudging(tx, [body, ...(before === undefined ? [] : [before])]);
      await append(
        tx,
        [],
        [{ kind: 'profile.put', subject: `profile/${params.profile}`, actor: who, data: { model, role, expect } }],
      );
      return { ...profile, compliance };
    });
    if (query.dry_run === true) return written;
    await judgeAllDue(context.db);
    return { ...written, compliance: await complianceOf(context.db, written) };
  },
  deleteProfile: async (context, request) => {
    const reply = await write(context, request, async (tx) => {
      const { profile } = request.input.params;
      await lockProfile(tx, profile);
      const before = await readProfile(tx, profile);
      await tx.deleteFrom('profile').where('name', '=', profile).execute();
      await restartJudging(tx, [before]);
      await append(tx, [], [{ kind: 'profile.deleted', subject: `profile/${profile}`, actor: actor(request.caller) }]);
      return { deleted: true };
    });
    if (request.input.query.dry_run !== true) await judgeAllDue(context.db);
    return reply;
  },
  listProfileNodes: async ({ db }, { input: { params, query } }) => {
    const limit = query.limit ?? 100;
    const rows = await profileNodes(db, await readProfile(db, params.profile), {
      verdict: query.verdict,
      after: readCursor(query.cursor, keyForms.id),
      limit: limit + 1,
    });
    return toPage(
      rows,
      limit,
      ({ node }) => node,
      ({ observed_at, ...rest }) => ({ ...rest, observed_at: observed_at?.toISOString() }),
    );
  },
  profileFromNode: async ({ db }, { input: { params } }) => {
    const id = await nodeForRead(db, params.node);
    const { observed, model } = await db
      .selectFrom('node_now')
      .select(['observed', 'model'])
      .where('node', '=', id)
      .executeTakeFirstOrThrow();
    const expect = expectationsFrom(observed);
    if (Object.keys(expect).length === 0)
      throw new Problem('conflict', `node ${id} has reported no hardware yet: take one that has`);
    return { model: model ?? undefined, expect };
  },
} satisfies Partial<Handlers>;
