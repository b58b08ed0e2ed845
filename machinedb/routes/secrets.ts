import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { readCursor, toPage } from '../http/page.ts';
import { write } from '../http/write.ts';
import { putSecret, retireOld, USER_SECRET } from '../trust/secrets.ts';

export const secretRoutes = {
  listSecrets: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const { rows } = await sql<{ name: string; generation: number; created_at: Date }>`
      select distinct on (name) name, generation, created_at from secret
      where name like ${`${USER_SECRET}%`} and name > ${readCursor(query.cursor) ?? ''}
      order by name, generation desc limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => ({
        name: row.name.slice(USER_SECRET.length),
        generation: row.generation,
        created_at: row.created_at.toISOString(),
      }),
    );
  },
  putSecret: async (context, request) =>
    await write(context, request, async (tx) => {
      const name = request.input.params.secret;
      const generation = await putSecret(
        tx,
        context.keys.kek,
        USER_SECRET + name,
        Buffer.from(request.input.body.value),
      );
      await retireOld(tx, USER_SECRET + name);
      await append(
        tx,
        [],
        [{ kind: 'secret.put', subject: 'fleet', actor: actor(request.caller), data: { name, generation } }],
      );
      return { name, generation };
    }),
} satisfies Partial<Handlers>;
