import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { RelayNode } from '../../shared/api/relay.ts';
import { MOST_BODY, type RequestHead } from '../../shared/relay-frame.ts';
import { type AwayAnswers, problem } from './away.ts';
import { Away, type CarriedSession, type Link, type Reply } from './link.ts';

export interface DoorsOptions {
  host: string;
  port: number;
  /** The relay's own certificate, by the centre's CA. */
  tls: { key: string; cert: string };
  link: Link;
  away: AwayAnswers;
  /** Whether the centre is there, and has all that was queued. */
  here: () => boolean;
  /** Whether the centre refuses this relay's credential: nothing is answered in its place then. */
  refused: () => boolean;
  /** Called with what the centre answered an agent. */
  passed: (head: RequestHead, reply: Reply) => void;
  log: { warn: (data: object, message: string) => void };
  /** How often it is looked whether a session's pass still holds, milliseconds. */
  checkMs?: number;
}

export interface Doors {
  port: number;
  setCertificate(tls: { key: string; cert: string }): void;
  /** Ends every session, so that the agents begin anew: with the centre, or with us. */
  endSessions(code: number, reason: string): void;
  close(): Promise<void>;
}

/** What agents ask; all else is not here, whoever asks. */
const agents = /^(POST \/v1\/(nonce|enrol|token)|GET \/v1\/(trust|ssh-ca)|(GET|PUT|POST) \/v1\/self(\/[a-z-]+)?)$/;
const REFUSED = 'the centre refuses this relay: was it revoked?';
const SESSION = '/v1/self/session';
const MOST_MESSAGE = 60 * 1024;
const MOST_CONNECTIONS = 8000;
/** Messages of a session while the centre is away, each time it is looked at; the centre counts its own. */
const MOST_MESSAGES = 200;
const CHECK_MS = 30_000;

/** The doors of the service, as agents of the rack find them: what they ask goes to the centre, or is answered here. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { link, away, here, refused, passed, log } = options;
  const limits = { maxHeaderSize: 16_384, requestTimeout: 30_000, headersTimeout: 10_000 };
  const server = createServer({ ...options.tls, minVersion: 'TLSv1.3', ...limits }, (request, response) => {
    serve(request, response).catch((error: Error) => {
      log.warn({ cause: error.message, path: request.url }, 'a request of an agent failed');
      send(response, problem(500, 'internal', 'the relay failed'));
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE, perMessageDeflate: false });
  const sessions = new Set<WebSocket>();

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    response.on('error', () => undefined);
    const head = headOf(request);
    if (!agents.test(`${head.method} ${head.path}`) || head.path === SESSION)
      return send(response, problem(404, 'not_found', `there is no ${head.method} ${head.path.slice(0, 200)} here`));
    const body = await bodyOf(request);
    if (body === undefined)
      return send(response, problem(413, 'too_large', `the body is larger than ${MOST_BODY} bytes`));
    if (refused()) return send(response, problem(503, 'unavailable', REFUSED, 30));
    if (!here()) return send(response, await away.answer(head, body));
    try {
      const reply = await link.request(head, body);
      passed(head, reply);
      send(response, reply);
    } catch (error) {
      if (!(error instanceof Away)) throw error;
      // Whether the centre did it is not known: the agent asks again, and is answered here if the centre stays away.
      send(response, problem(503, 'unavailable', error.message, 1));
    }
  };

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, rest: Buffer) => {
    const head = headOf(request);
    if (head.path !== SESSION || head.method !== 'GET' || request.headers.origin !== undefined)
      return refuse(socket, 404, 'there is no such session here');
    const accept = (use: (node: WebSocket) => void) => {
      if (!socket.writable) return false;
      sockets.handleUpgrade(request, socket, rest, (node) => {
        sessions.add(node);
        node.on('error', () => undefined);
        node.on('close', () => sessions.delete(node));
        use(node);
      });
      return true;
    };
    try {
      if (here()) carrySession(link, head, socket, accept);
      else if (refused()) refuse(socket, 503, REFUSED);
      else {
        const holder = () => away.holder(head.headers.authorization);
        const node = holder();
        if (node === undefined) refuse(socket, 401, 'the centre is away: take a new token from here');
        else accept((session) => serveSession(options, node, session, holder));
      }
    } catch (error) {
      refuse(socket, 503, (error as Error).message);
    }
  });
  server.listen(options.port, options.host);
  const failure = once(server, 'error').then(([error]) => {
    throw error;
  });
  await Promise.race([once(server, 'listening'), failure]);
  failure.catch(() => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (tls) => server.setSecureContext({ ...tls, minVersion: 'TLSv1.3' }),
    endSessions: (code, reason) => {
      for (const node of sessions) node.close(code, reason);
    },
    close: async () => {
      for (const node of sessions) node.terminate();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A session that the centre has: what either says goes to the other, until one of them ends. */
function carrySession(
  link: Link,
  head: RequestHead,
  socket: Duplex,
  accept: (use: (node: WebSocket) => void) => boolean,
): void {
  let node: WebSocket | undefined;
  let over = false;
  const carried: CarriedSession = link.open(head, {
    opened() {
      const accepted = accept((opened) => {
        node = opened;
        // The centre may have ended it while the node was being told of its beginning.
        if (over) return opened.close(1012, 'the session is over');
        opened.on('message', (data, isBinary) => {
          if (isBinary) opened.close(1003, 'a heartbeat is text');
          else if (!over) carried.send(String(data));
        });
        opened.on('close', () => {
          over = true;
          carried.close();
        });
      });
      if (!accepted) carried.close();
    },
    message(text) {
      if (node !== undefined && node.readyState === node.OPEN) node.send(text);
    },
    close(code, reason) {
      over = true;
      if (node === undefined) refuse(socket, code < 600 ? code : 503, reason);
      else node.close(code < 600 ? 1008 : code, reason.slice(0, 120));
    },
  });
  socket.on('close', () => carried.close());
}

/** A session while the centre is away: heartbeats are answered, as long as the pass holds. A node that lost power never ends it. */
function serveSession(
  { away, checkMs = CHECK_MS }: DoorsOptions,
  node: RelayNode,
  session: WebSocket,
  holder: () => RelayNode | undefined,
): void {
  let messages = 0;
  const timer = setInterval(() => {
    messages = 0;
    if (holder() === undefined) session.close(1008, 'the token is no longer valid');
  }, checkMs);
  session.on('message', (data) => {
    messages += 1;
    if (messages > MOST_MESSAGES) return session.close(1008, 'too many messages');
    void away.beat(node, String(data)).then((answer) => {
      if (session.readyState === session.OPEN) session.send(JSON.stringify(answer));
    });
  });
  session.on('close', () => clearInterval(timer));
}

function headOf(request: IncomingMessage): RequestHead {
  const headers: Record<string, string> = {};
  for (const name of ['authorization', 'content-type', 'content-encoding', 'machinedb-signature', 'machinedb-said']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const remote = (request.socket as Socket).remoteAddress ?? '';
  return { method: request.method ?? '', path: request.url ?? '', headers, remote };
}

/** Undefined: it is too large. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MOST_BODY) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
}

/** A node that asks for a session may be gone by the time of the answer: writing to it then must harm nobody else. */
function refuse(socket: Duplex, status: number, reason: string): void {
  if (!socket.writable) return;
  const { body } = problem(status, status === 401 ? 'unauthenticated' : 'unavailable', reason);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\n\r\n${body.toString('utf8')}`,
  );
}
