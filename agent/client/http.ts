import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import type { Clock } from './clock.ts';
import { checkPeer, SERVER_NAME } from './pins.ts';

const TIMEOUT_MS = 30_000;
const MAX_REPLY = 8 * 1024 * 1024;

export interface Server {
  url: URL;
  /** Pins of the trusted CAs, now: they change after a rotation. */
  pins: () => readonly string[];
  clock: Clock;
  /** How long an answer may take, milliseconds; 30 s when undefined. */
  timeoutMs?: number;
  /** Address of this machine that connections come from; the kernel's choice when undefined. */
  localAddress?: string | undefined;
}

/** What the server said instead of a reply. `status` 0: it could not be reached. */
export class ServerError extends Error {
  readonly status: number;
  /** Problem code (the end of its RFC 9457 type); '' when there is none. */
  readonly code: string;
  /** Seconds that the server asks to wait; undefined: it says nothing. */
  readonly retryAfterS: number | undefined;

  constructor(status: number, code: string, message: string, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Opens a connection on which the peer is proven to be the server before anything is sent. Without TLS only on loopback.
 * The callback gets the socket or the reason why not.
 */
export function openConnection(server: Server, done: (error: Error | null, socket: net.Socket) => void): undefined {
  const host = server.url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(server.url.port || 443);
  const from = server.localAddress === undefined ? {} : { localAddress: server.localAddress };
  if (server.url.protocol === 'http:') {
    const plain = net.connect({ host, port, ...from });
    plain.once('connect', () => done(null, plain)).once('error', (error) => done(error, plain));
    return;
  }
  // The certificate is judged by pins and our own clock, not by the system's store and clock: see checkPeer.
  const socket = tls.connect({
    host,
    port,
    ...from,
    servername: SERVER_NAME,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
  });
  const patience = server.timeoutMs ?? TIMEOUT_MS;
  socket.setTimeout(patience, () => socket.destroy(new Error(`no answer within ${patience / 1000} s`)));
  socket.once('error', (error) => done(error, socket));
  socket.once('secureConnect', () => {
    try {
      checkPeer(socket, server.pins(), server.clock());
    } catch (error) {
      socket.destroy();
      done(error as Error, socket);
      return;
    }
    socket.setTimeout(0);
    socket.removeAllListeners('error');
    done(null, socket);
  });
}

/** Reads the server's address. Throws when it is no URL, or plain http to another machine. */
export function parseServer(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`--server is "${text}": expected https://HOST:PORT`);
  if (url.protocol === 'http:' && !/^(127\.|\[::1\]$|localhost$)/.test(url.hostname)) {
    throw new Error(`--server is "${text}": plain http is only for loopback, use https`);
  }
  return url;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  token?: string | undefined;
  body?: string | undefined;
  headers?: Record<string, string>;
}

/** Sends one request and answers the reply's JSON. Throws ServerError for all else. */
export async function send<Reply>(server: Server, request: HttpRequest): Promise<Reply> {
  return JSON.parse(await sendForText(server, request)) as Reply;
}

/** Sends one request and answers the reply as it is. Throws ServerError for all but 2xx. */
export async function sendForText(server: Server, request: HttpRequest): Promise<string> {
  const { status, headers, body } = await exchange(server, request).catch((error: Error) => {
    throw new ServerError(0, '', `${server.url.origin} cannot be reached: ${error.message}`);
  });
  if (status >= 200 && status < 300) return body;
  throw new ServerError(status, codeOf(body), detailOf(body) ?? `HTTP ${status}`, retryAfterOf(headers));
}

/** Seconds that a reply asks to wait (RFC 9110, section 10.2.3); undefined when it says none, or a date: our clock may be wrong. */
export function retryAfterOf(headers: http.IncomingHttpHeaders): number | undefined {
  const text = headers['retry-after'];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function exchange(
  server: Server,
  request: HttpRequest,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    headers: http.IncomingHttpHeaders;
    body: string;
  }>();
  // openConnection brings the socket, TLS and all, so that the plain module serves both. A request is rare (the session
  // carries the heartbeats): no connection is kept for it.
  const outgoing = http.request({
    method: request.method,
    path: request.path,
    headers: {
      host: server.url.host,
      connection: 'close',
      ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
      ...(request.body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(request.body) }),
      ...request.headers,
    },
    createConnection: (_options, done) => openConnection(server, done as never),
  });
  // The option `timeout` would be for a connection of node's own making only: a way that went dead would be waited on for ever.
  const timeoutMs = server.timeoutMs ?? TIMEOUT_MS;
  outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  outgoing.on('error', reject);
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_REPLY) outgoing.destroy(new Error('the reply is too large'));
      chunks.push(chunk);
    });
    incoming.on('error', reject);
    incoming.on('end', () =>
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      }),
    );
  });
  outgoing.end(request.body);
  return promise;
}

function problemOf(body: string): { type?: string; detail?: string } {
  try {
    return (JSON.parse(body) as { type?: string; detail?: string } | null) ?? {};
  } catch {
    return {};
  }
}

const codeOf = (body: string) => problemOf(body).type?.split(':').at(-1) ?? '';
const detailOf = (body: string) => problemOf(body).detail;
