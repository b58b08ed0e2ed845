import { actor, type Context, type Handlers, type Request } from '../context.ts';
import type { Reader } from '../db.ts';
import { revertIntent } from '../history/revert.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';

type Revert = 'revertFleetIntent' | 'revertSiteIntent' | 'revertRoleIntent' | 'revertRackIntent' | 'revertNodeIntent';

async function revert<O extends Revert>(
  context: Context,
  request: Request<O>,
  subjectOf: (db: Reader) => Promise<string>,
) {
  const { params, query, body } = (request as unknown as Request<'revertFleetIntent'>).input;
  const history = /^([0-9a-f]{8})\./.exec(body.revision ?? '')?.[1];
  if (history !== undefined && history !== context.feed.epoch)
    throw new Problem('gone', `${body.revision} is of another history (the database was restored): say to, a time`);
  return await write(context, request as Request<Revert>, async (tx) =>
    revertIntent(tx, context.keys, {
      subject: await subjectOf(tx),
      section: params.section,
      to: body.to,
      revision: body.revision,
      precondition: { ifMatch: request.headers['if-match'], ifNoneMatch: request.headers['if-none-match'] },
      options: {
        actor: actor(request.caller),
        reason: body.reason,
        maxAffected: query.max_affected,
        applied: query.dry_run !== true,
      },
    }),
  );
}

export const revertRoutes = {
  revertFleetIntent: (context, request) => revert(context, request, async () => 'fleet'),
  revertSiteIntent: (context, request) => revert(context, request, async () => `site/${request.input.params.site}`),
  revertRoleIntent: (context, request) => revert(context, request, async () => `role/${request.input.params.role}`),
  revertRackIntent: (context, request) =>
    revert(context, request, async () => `rack/${request.input.params.site}:${request.input.params.rack}`),
  revertNodeIntent: (context, request) =>
    revert(context, request, async (db) => `node/${await nodeForWrite(db, request.input.params.node)}`),
} satisfies Partial<Handlers>;
