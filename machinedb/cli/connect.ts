import { existsSync, readFileSync, statSync } from 'node:fs';
import http, { type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { ApiError, type Client, createClient, type Transport } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';

/** The name that every server certificate carries, whatever address the server is reached by. */
const SERVER_NAME = 'machinedb';

export interface Connection {
  url: URL;
  token: string | undefined;
  /** PEM of the CAs trusted; undefined over plain HTTP. */
  ca: string | undefined;
}

/** Where the service is and who we are, from the environment; the defaults fit `npm start` in this directory. */
export function readConnection(environment: Record<string, string | undefined>): Connection {
  const state = environment.MACHINEDB_STATE ?? './.machinedb';
  const url = parseUrl(environment.MACHINEDB_URL ?? 'https://127.0.0.1:4280');
  const caFile = environment.MACHINEDB_CA_FILE ?? join(state, 'ca.pem');
  if (url.protocol === 'https:' && !existsSync(caFile)) {
    throw new Failure(
      `there is no CA certificate at ${caFile}: set MACHINEDB_CA_FILE to the ca.pem of the server's state directory, or MACHINEDB_STATE to that directory`,
    );
  }
  return {
    url,
    token:
      environment.MACHINEDB_TOKEN ?? readPrivateFile(environment.MACHINEDB_TOKEN_FILE ?? join(state, 'operator.token')),
    ca: url.protocol === 'https:' ? readFileSync(caFile, 'utf8') : undefined,
  };
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Failure(`MACHINEDB_URL is "${text}": expected https://HOST:PORT`, exitCodes.usage);
  }
  if (url.protocol === 'http:' && !/^(127\.|\[::1\]$|localhost$)/.test(url.hostname)) {
    throw new Failure(`MACHINEDB_URL is "${text}": plain http is only for loopback, use https`, exitCodes.usage);
  }
  return url;
}

/** A secret out of a file that nobody else may read; undefined: it is not there. Throws Failure when others can read it. */
export function readPrivateFile(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new Failure(
      `${file} can be read by others: make a new token, and keep it with chmod 600 ${file}`,
      exitCodes.refused,
    );
  }
  return readFileSync(file, 'utf8').trim();
}

/** TLS options that verify the server by its CA and its fixed name. */
export function tlsOptions(connection: Connection): { ca?: string; servername?: string; minVersion?: 'TLSv1.3' } {
  return connection.ca === undefined ? {} : { ca: connection.ca, servername: SERVER_NAME, minVersion: 'TLSv1.3' };
}

export function connect(connection: Connection): Client {
  return createClient(transport(connection), connection.token);
}

function transport(connection: Connection): Transport {
  return {
    async send(request) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await sendOnce(connection, request);
        } catch (error) {
          // A write carries an Idempotency-Key, so that asking again is safe even when only the reply was lost.
          const safe = request.method === 'GET' || request.headers['idempotency-key'] !== undefined;
          if (!safe || attempt === 3) throw unreachable(connection, error);
          await new Promise((resolve) => setTimeout(resolve, 300 * attempt));
        }
      }
    },
  };
}

function sendOnce(
  connection: Connection,
  request: { method: string; path: string; headers: OutgoingHttpHeaders; body: string | undefined },
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  const target = new URL(request.path, connection.url);
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    headers: http.IncomingHttpHeaders;
    body: string;
  }>();
  const outgoing = (connection.ca === undefined ? http : https).request(
    target,
    { method: request.method, headers: request.headers, timeout: 60_000, agent: false, ...tlsOptions(connection) },
    (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 60 s')));
  outgoing.on('error', reject);
  outgoing.end(request.body);
  return promise;
}

function unreachable(connection: Connection, error: unknown): ApiError {
  const cause = (error as Error).message || (error as { code?: string }).code;
  return new ApiError(
    0,
    'unreachable',
    `${connection.url.origin} cannot be reached (${cause}): is the daemon running, and is MACHINEDB_URL right?`,
  );
}
