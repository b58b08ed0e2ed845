import WebSocket from 'ws';
import type { Heartbeat, HeartbeatReply } from '../../shared/api/agent.ts';
import { openConnection, retryAfterOf, type Server, ServerError, send } from './http.ts';

/** What the server says on a session, asked or unasked. */
export type SessionMessage = Partial<HeartbeatReply>;

/** A connection on which heartbeats go up and wants come down. */
export interface Session {
  beat(beat: Heartbeat): void;
  close(): void;
}

export interface SessionEvents {
  message(message: SessionMessage): void;
  /** The session is over; `error` has the HTTP status when it was refused. */
  end(error: ServerError): void;
}

const ANSWER_MS = 30_000;

/** Opens a session by WebSocket. Resolves when it is open; rejects with ServerError when it cannot be. */
export function openSession(server: Server, token: string, events: SessionEvents): Promise<Session> {
  const url = new URL('/v1/self/session', server.url);
  url.protocol = url.protocol.replace('http', 'ws');
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    handshakeTimeout: ANSWER_MS,
    maxPayload: 64 * 1024,
    agent: connector(server) as never,
  });
  let failure = new ServerError(0, '', 'the session ended');
  let answer: NodeJS.Timeout | undefined;
  socket.on('unexpected-response', (request, response) => {
    failure = new ServerError(
      response.statusCode ?? 0,
      '',
      `the session was refused: HTTP ${response.statusCode}`,
      retryAfterOf(response.headers),
    );
    request.destroy();
    reject(failure);
  });
  socket.on('error', (error) => {
    failure = new ServerError(failure.status, '', `the session failed: ${error.message}`);
    reject(failure);
  });
  socket.on('message', (data) => {
    clearTimeout(answer);
    events.message(JSON.parse(String(data)) as SessionMessage);
  });
  socket.on('open', () =>
    resolve({
      beat(beat) {
        socket.send(JSON.stringify(beat));
        // A path that went away without a word is noticed by the answer that does not come.
        clearTimeout(answer);
        answer = setTimeout(() => socket.terminate(), ANSWER_MS);
      },
      close: () => socket.close(1000),
    }),
  );
  socket.on('close', (code, reason) => {
    clearTimeout(answer);
    const refused = code === 1008;
    events.end(refused ? new ServerError(401, '', `the server ended the session: ${String(reason)}`) : failure);
  });
  return promise;
}

/** A node:http agent that connects as openConnection does: `ws` has no other door for a connection of one's own. */
function connector(server: Server) {
  return {
    addRequest(request: { onSocket(socket: unknown, error?: Error): void }) {
      openConnection(server, (error, socket) => {
        // Only so does the request tell of it: destroyed without a socket, it would stay silent for ever.
        if (error !== null) return request.onSocket(null, error);
        // A server that accepts and says nothing: node:http's own agent would start this clock.
        socket.setTimeout(ANSWER_MS);
        request.onSocket(socket);
      });
    },
  };
}

/** A heartbeat without session: where a proxy lets no WebSocket through. */
export async function beatOnce(server: Server, token: string, beat: Heartbeat): Promise<HeartbeatReply> {
  return await send<HeartbeatReply>(server, {
    method: 'POST',
    path: '/v1/self/heartbeat',
    token,
    body: JSON.stringify(beat),
  });
}
