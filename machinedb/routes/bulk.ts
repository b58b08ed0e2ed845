import { actor, type Handlers } from '../context.ts';
import { write } from '../http/write.ts';
import { writeBulk } from '../intent/bulk.ts';

export const bulkRoutes = {
  bulk: async (context, request) => {
    const { query, body } = request.input;
    return await write(context, request, (tx) =>
      writeBulk(tx, context.keys, body.items, {
        actor: actor(request.caller),
        reason: body.reason,
        mode: body.mode ?? 'all',
        maxAffected: query.max_affected,
        applied: query.dry_run !== true,
      }),
    );
  },
} satisfies Partial<Handlers>;
