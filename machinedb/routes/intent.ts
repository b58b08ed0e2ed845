import type { IncomingHttpHeaders } from 'node:http';
import type { IntentSection } from '../../shared/api/intent.ts';
import type { Operation, Reply } from '../../shared/api.ts';
import { explain } from '../../shared/explain.ts';
import { actor, type Context, type Handlers, type Request } from '../context.ts';
import type { Reader } from '../db.ts';
import { write } from '../http/write.ts';
import { explainNode } from '../intent/explanation.ts';
import { writeIntents } from '../intent/intent.ts';
import { readIntents, readLayers } from '../intent/layers.ts';
import { nodeForRead, nodeForWrite } from '../nodes/node-ref.ts';
import { checkNamed, type Named } from '../places/named.ts';

type Put = 'putFleetIntent' | 'putSiteIntent' | 'putRoleIntent' | 'putRackIntent' | 'putNodeIntent';
type Delete = 'deleteFleetIntent' | 'deleteSiteIntent' | 'deleteRoleIntent' | 'deleteRackIntent' | 'deleteNodeIntent';

async function read(db: Reader, subject: string, at?: string, named: Named = {}) {
  const intents = await readIntents(db, [subject], at);
  if (intents.length === 0 && at === undefined) await checkNamed(db, named);
  return {
    items: intents.map(({ section, data, seq, actor: by, reason, at: since }) => ({
      section: section as IntentSection,
      data,
      etag: `"${seq}"`,
      actor: by,
      reason: reason ?? undefined,
      at: since.toISOString(),
    })),
  };
}

async function set<O extends Put | Delete>(
  context: Context,
  request: Request<O>,
  subject: string | ((db: Reader) => Promise<string>),
  data: unknown,
): Promise<Reply<O>> {
  const { query, params } = request.input as Request<'putNodeIntent'>['input'];
  return await write(context, request as Request<Operation> as Request<O>, async (tx) => {
    const plan = await writeIntents(
      tx,
      context.keys,
      [
        {
          subject: typeof subject === 'string' ? subject : await subject(tx),
          section: params.section,
          data,
          precondition: preconditions(request.headers),
        },
      ],
      {
        actor: actor(request.caller),
        reason: query.reason,
        maxAffected: query.max_affected,
        applied: query.dry_run !== true,
      },
    );
    return plan as Reply<O>;
  });
}

function preconditions(headers: IncomingHttpHeaders) {
  return { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] };
}

const nodeSubject = (reference: string) => async (db: Reader) => `node/${await nodeForWrite(db, reference)}`;

export const intentRoutes = {
  getFleetIntent: ({ db }: Context, { input: { query } }) => read(db, 'fleet', query.as_of),
  putFleetIntent: (context, request) => set(context, request, 'fleet', request.input.body),
  deleteFleetIntent: (context, request) => set(context, request, 'fleet', null),
  getSiteIntent: ({ db }, { input: { params, query } }) => read(db, `site/${params.site}`, query.as_of, params),
  putSiteIntent: (context, request) => set(context, request, `site/${request.input.params.site}`, request.input.body),
  deleteSiteIntent: (context, request) => set(context, request, `site/${request.input.params.site}`, null),
  getRoleIntent: ({ db }, { input: { params, query } }) => read(db, `role/${params.role}`, query.as_of, params),
  putRoleIntent: (context, request) => set(context, request, `role/${request.input.params.role}`, request.input.body),
  deleteRoleIntent: (context, request) => set(context, request, `role/${request.input.params.role}`, null),
  getRackIntent: ({ db }, { input: { params, query } }) => read(db, rackSubject(params), query.as_of, params),
  putRackIntent: (context, request) => set(context, request, rackSubject(request.input.params), request.input.body),
  deleteRackIntent: (context, request) => set(context, request, rackSubject(request.input.params), null),
  getNodeIntent: async ({ db }, { input: { params, query } }) => {
    const node = await nodeForRead(db, params.node);
    const own = await read(db, `node/${node}`, query.as_of);
    if (query.explain !== true) return own;
    const layers = (await readLayers(db, [node], { at: query.as_of })).get(node) ?? [];
    // Which address a node held is in no history but that of its wanted state.
    return { ...own, explain: query.as_of === undefined ? await explainNode(db, node, layers) : explain(layers) };
  },
  putNodeIntent: (context, request) =>
    set(context, request, nodeSubject(request.input.params.node), request.input.body),
  deleteNodeIntent: (context, request) => set(context, request, nodeSubject(request.input.params.node), null),
} satisfies Partial<Handlers>;

function rackSubject({ site, rack }: { site: string; rack: string }): string {
  return `rack/${site}:${rack}`;
}
