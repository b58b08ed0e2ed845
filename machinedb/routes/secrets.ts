import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { readCursor, toPage } from '../http/page.ts';
import { write } from '../http/write.ts';
import { putSecret, retireOld } from '../trust/secrets.ts';

/** Names that people give are kept apart from the service's own keys (`machinedb/...`). */
const PREFIX = 'user/';

export const secretRoutes = {
  listSecrets: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const { rows } = await sql<{ name: string; generation: number; created_at: Date }>`
      select distinct on (name) name, generation, created_at from secret
      where name like ${`${PREFIX}%`} and name > ${readCursor(query.cursor) ?? ''}
      order by name, generation desc limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => ({
        name: row.name.slice(PREFIX.length),
        generation: row.generation,
        created_at: row.created_at.toISOString(),
      }),
    );
  },
  putSecret: async (context, request) =>
    await write(context, request, async (tx) => {
      const name = request.input.params.secret;
      const generation = await putSecret(tx, context.keys.kek, PREFIX + name, Buffer.from(request.input.body.value));
      await retireOld(tx, PREFIX + name);
      await append(
        tx,
        [],
        [{ kind: 'secret.put', subject: 'fleet', actor: actor(request.caller), data: { name, generation } }],
      );
      return { name, generation };
    }),
} satisfies Partial<Handlers>;
