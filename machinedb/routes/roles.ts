import { actor, type Context, type Handlers } from '../context.ts';
import { profilesOfRole } from '../drift/profiles.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { listDescribed, putDescribed } from '../places/described.ts';
import { removePlace } from '../places/place-removal.ts';

export const roleRoutes = {
  listRoles: ({ db }: Context, { input: { query } }) => listDescribed(db, 'role', query),
  putRole: (context, request) =>
    write(context, request, (tx) =>
      putDescribed(tx, 'role', request.input.params.role, request.input.body.description, actor(request.caller)),
    ),
  deleteRole: (context, request) =>
    write(context, request, async (tx) => {
      const { role } = request.input.params;
      const [profile] = await profilesOfRole(tx, role);
      if (profile !== undefined)
        throw new Problem(
          'conflict',
          `role "${role}" has profile ${profile}: change it, or machinedb profile delete ${profile}`,
        );
      await tx.deleteFrom('rollout').where('role', '=', role).execute();
      return await removePlace(tx, 'role', `role/${role}`, role, undefined, actor(request.caller));
    }),
} satisfies Partial<Handlers>;
