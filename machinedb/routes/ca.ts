import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { append } from '../feed/feed.ts';
import { write } from '../http/write.ts';

async function generations(db: Reader) {
  const rows = await db
    .selectFrom('secret')
    .select(['generation', 'public', 'created_at', 'retired_at'])
    .where('name', '=', 'machinedb/ca')
    .orderBy('generation', 'desc')
    .execute();
  return {
    items: rows.map(({ generation, public: details, created_at, retired_at }, i) => ({
      generation,
      pin: String(details.pin),
      created_at: created_at.toISOString(),
      status: i === 0 ? ('current' as const) : retired_at === null ? ('valid' as const) : ('retired' as const),
    })),
  };
}

export const caRoutes = {
  getCa: async ({ db }: Context) => await generations(db),
  rotateCa: async (context, request) => {
    const reply = await write(context, request, async (tx) => {
      await context.keys.rotate(tx);
      const { reason } = request.input.body;
      await append(tx, [], [{ kind: 'ca.rotated', subject: 'fleet', actor: actor(request.caller), reason }]);
      return await generations(tx);
    });
    await context.keys.refresh();
    return reply;
  },
} satisfies Partial<Handlers>;
