import { actor, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { checkMigrated } from '../migrate.ts';
import { openapiDocument } from '../openapi.ts';

export const serviceRoutes = {
  healthz: async () => ({ status: 'ok' as const }),
  readyz: async ({ db }) => {
    try {
      await checkMigrated(db);
    } catch {
      throw new Problem('unavailable', 'the database does not answer, or lacks a migration', { retryAfter: 2 });
    }
    return { status: 'ok' as const };
  },
  metrics: async ({ db, metrics }, _request, extra) => {
    extra.type = 'text/plain; version=0.0.4; charset=utf-8';
    return await metrics.render(db);
  },
  openapi: async () => openapiDocument(),
  holdFleet: async (context, request) =>
    await write(context, request, async (tx) => {
      const { hold, reason } = request.input.body;
      await tx
        .updateTable('fleet')
        .set({ hold, hold_reason: hold ? reason : null })
        .execute();
      const kind = hold ? 'fleet.held' : 'fleet.released';
      await append(tx, [], [{ kind, subject: 'fleet', actor: actor(request.caller), reason }]);
      return { hold, reason };
    }),
} satisfies Partial<Handlers>;
