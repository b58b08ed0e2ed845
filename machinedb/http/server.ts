import fastifyWebsocket from '@fastify/websocket';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { z } from 'zod';
import type { Row } from '../../shared/api/row.ts';
import { api, type Input, type Operation } from '../../shared/api.ts';
import type { Caller, Context, Extra, Request } from '../context.ts';
import { handlers, sockets } from '../routes/index.ts';
import { authenticate, authorize } from './auth.ts';
import { databaseAway, toDatabaseProblem } from './database-problem.ts';
import { parseJson } from './json.ts';
import { Problem } from './problem.ts';

const BODY_LIMIT = 8 * 1024 * 1024;
const FRAME_LIMIT = 64 * 1024;

export interface TlsMaterial {
  key: string;
  cert: string;
}

/** Builds the HTTP server from the API table. `tls` undefined: plain HTTP, for loopback only. */
export async function buildServer(context: Context, tls: TlsMaterial | undefined): Promise<FastifyInstance> {
  const server = fastify({
    ...(tls === undefined ? {} : { https: { ...tls, minVersion: 'TLSv1.3' } }),
    bodyLimit: BODY_LIMIT,
    connectionTimeout: 0,
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
    routerOptions: { maxParamLength: 300 },
    forceCloseConnections: true,
  } as object) as unknown as FastifyInstance;
  server.removeAllContentTypeParsers();
  // Whatever it calls itself, a body is JSON; its bytes are kept for the signature.
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  await server.register(fastifyWebsocket, { options: { maxPayload: FRAME_LIMIT } });
  server.setErrorHandler((error: Error, request, reply) => sendError(context, error, request, reply));
  server.setNotFoundHandler((request, reply) => {
    sendError(
      context,
      new Problem('not_found', `there is no ${request.method} ${request.url.split('?')[0]}`),
      request,
      reply,
    );
  });
  for (const operation of Object.keys(api) as Operation[]) addRoute(server, context, operation);
  return server;
}

function addRoute<O extends Operation>(server: FastifyInstance, context: Context, operation: O): void {
  const definition: Row = api[operation];
  const socket = sockets[operation as keyof typeof sockets];
  server.route({
    method: definition.method,
    url: definition.path.replace(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => answer(context, operation, definition, request, reply),
    ...(socket === undefined
      ? {}
      : {
          preValidation: async (request: FastifyRequest) => {
            if (request.ws) await admit(context, definition, request);
          },
          wsHandler: (connection: WebSocket, request: FastifyRequest) => {
            void openSocket(server, context, operation, definition, connection, request);
          },
        }),
  });
}

const admitted = new WeakMap<FastifyRequest, Caller>();

async function admit(context: Context, definition: Row, request: FastifyRequest): Promise<Caller> {
  const origin = request.headers.origin;
  if (origin !== undefined && URL.parse(origin)?.host !== request.headers.host) {
    throw new Problem('forbidden', `a page of ${origin.slice(0, 100)} may not open a connection here`);
  }
  const caller = await authenticate(context, request.headers.authorization);
  authorize(caller, definition.scope);
  admitted.set(request, caller);
  return caller;
}

async function openSocket<O extends Operation>(
  server: FastifyInstance,
  context: Context,
  operation: O,
  definition: Row,
  connection: WebSocket,
  request: FastifyRequest,
): Promise<void> {
  // A client's broken frame closes its own connection only.
  connection.on('error', (error) => context.log.debug({ operation, cause: error.message }, 'websocket closed'));
  try {
    const parsed = toRequest(operation, definition, request, admitted.get(request)!);
    await sockets[operation as keyof typeof sockets]!(context, parsed as never, connection, server);
  } catch (error) {
    const problem = toProblem(error);
    if (problem.status >= 500) context.log.error({ operation, err: error }, 'websocket failed');
    connection.close(
      problem.code === 'gone' ? 4410 : problem.status >= 500 ? 1011 : 1008,
      problem.message.slice(0, 120),
    );
  }
}

async function answer<O extends Operation>(
  context: Context,
  operation: O,
  definition: Row,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new Problem(
      'unsupported',
      `a body with Content-Encoding ${encoding.slice(0, 50)} is not accepted: send it plain`,
    );
  }
  const caller =
    definition.scope === 'public'
      ? ({ kind: 'public' } as const)
      : await authenticate(context, request.headers.authorization);
  authorize(caller, definition.scope);
  const extra: Extra = {};
  const result = await handlers[operation](context, toRequest(operation, definition, request, caller), extra);
  if (extra.etag !== undefined) {
    reply.header('etag', extra.etag);
    if (definition.method === 'GET' && request.headers['if-none-match'] === extra.etag) return reply.code(304).send();
  }
  if (extra.file !== undefined)
    return reply
      .type(extra.type ?? 'application/octet-stream')
      .header('content-length', extra.file.size)
      .send(extra.file.stream);
  if (typeof result === 'string') return reply.type(extra.type ?? 'text/plain; charset=utf-8').send(result);
  // As bytes: a long text is encrypted in pieces, and waits between them.
  return reply.type('application/json; charset=utf-8').send(Buffer.from(JSON.stringify(result)));
}

function toRequest<O extends Operation>(
  operation: O,
  definition: Row,
  request: FastifyRequest,
  caller: Caller,
): Request<O> {
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const body = definition.body === undefined ? undefined : bodyOf(definition, raw.toString('utf8'));
  const input = {
    params: parse(definition.params, request.params, 'path'),
    query: parse(definition.query, request.query, 'query'),
    body: parse(definition.body, body, 'body'),
  } as Input<O>;
  return { operation, input, caller, headers: request.headers, raw, remote: request.socket.remoteAddress ?? '' };
}

function bodyOf(definition: Row, text: string): unknown {
  if (definition.form === true) return text;
  return text === '' ? {} : parseJson(text);
}

function parse(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, 50).map((issue) => ({
    detail: issue.message,
    pointer: `/${issue.path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`,
  }));
  const first = errors[0]!;
  throw new Problem('invalid', `${where}${first.pointer === '/' ? '' : ` ${first.pointer}`}: ${first.detail}`, {
    errors,
  });
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message: string };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new Problem('too_large', `the body is larger than ${BODY_LIMIT} bytes: send less`);
  }
  const known = toDatabaseProblem(error);
  if (known !== undefined) return known;
  if (code !== undefined && /^E(CONN|PIPE|TIMEDOUT|NOENT)/.test(code)) return databaseAway();
  if (/timeout exceeded when trying to connect|Connection terminated/.test(message)) return databaseAway();
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new Problem('invalid', message);
  return new Problem('internal', 'an error that MachineDB does not know; its log has it');
}

function sendError(context: Context, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(error);
  if (problem.status >= 500)
    context.log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed');
  context.metrics.problem(problem.code);
  if (problem.retryAfter !== undefined) reply.header('retry-after', String(problem.retryAfter));
  if (problem.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer');
  reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problem.body(request.url.split('?')[0])));
}
