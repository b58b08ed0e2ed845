import type { OutgoingHttpHeaders } from 'node:http';
import type { Row } from './api/row.ts';
import { type Api, api, type Call, type Operation, type Reply } from './api.ts';

/** How a client reaches the service; `send` moves the bytes, so that tests and other runtimes can bring their own. */
export interface Transport {
  send(request: { method: string; path: string; headers: OutgoingHttpHeaders; body: string | undefined }): Promise<{
    status: number;
    headers: Record<string, string | string[] | undefined>;
    body: string;
  }>;
}

/** What the service answered instead of a reply (RFC 9457). `status` 0: it could not be reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: { detail: string; pointer?: string }[];

  constructor(status: number, code: string, message: string, errors: { detail: string; pointer?: string }[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

export interface CallHeaders {
  /** Version that the write replaces, as GET or a plan gave it. */
  ifMatch?: string;
  idempotencyKey?: string;
  ifNoneMatch?: string;
}

export interface Client {
  /** Calls an operation of the table. Throws ApiError for every answer that is not 2xx. */
  call<O extends Operation>(operation: O, call: Call<O>, headers?: CallHeaders): Promise<Reply<O>>;
}

/** A typed client over the API table. `token` is sent as a bearer token. */
export function createClient(transport: Transport, token?: string): Client {
  return {
    async call(operation, call, more = {}) {
      const definition: Row = api[operation as keyof Api];
      const { params, query, body } = call as { params?: object; query?: object; body?: unknown };
      const headers: OutgoingHttpHeaders = { accept: 'application/json' };
      if (token !== undefined) headers.authorization = `Bearer ${token}`;
      if (more.ifMatch !== undefined) headers['if-match'] = more.ifMatch;
      if (more.ifNoneMatch !== undefined) headers['if-none-match'] = more.ifNoneMatch;
      if (more.idempotencyKey !== undefined) headers['idempotency-key'] = more.idempotencyKey;
      if (body !== undefined) headers['content-type'] = 'application/json';
      const answer = await transport.send({
        method: definition.method,
        path: pathOf(definition.path, params) + queryOf(query),
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      if (answer.status < 200 || answer.status > 299) throw toError(answer);
      return (answer.body === '' ? undefined : parseReply(answer)) as never;
    },
  };
}

/** Fills `{name}` parameters of a path, each percent-encoded. */
export function pathOf(path: string, params: object | undefined): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = (params as Record<string, unknown> | undefined)?.[name];
    if (value === undefined) throw new ApiError(0, 'invalid', `${path} needs ${name}`);
    return encodeURIComponent(String(value));
  });
}

/** A query string with its "?", or '' when nothing is set. */
export function queryOf(query: object | undefined): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(Object.fromEntries(given.map(([name, value]) => [name, String(value)])))}`;
}

function parseReply(answer: { headers: Record<string, string | string[] | undefined>; body: string }): unknown {
  return String(answer.headers['content-type']).startsWith('application/json') ? JSON.parse(answer.body) : answer.body;
}

function toError(answer: { status: number; body: string }): ApiError {
  try {
    const problem = JSON.parse(answer.body) as { type?: string; detail?: string; errors?: { detail: string }[] };
    const code = problem.type?.split(':').at(-1) ?? 'unknown';
    return new ApiError(answer.status, code, problem.detail ?? `HTTP ${answer.status}`, problem.errors);
  } catch {
    return new ApiError(answer.status, 'unknown', `the service answered HTTP ${answer.status} without a reason`);
  }
}
