import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { createAuthority, issueServer, openAuthority } from '../trust/ca.ts';

export interface Got {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  at: number;
}

interface Answer {
  status: number;
  location?: string;
  /** It answers only then. */
  after?: Promise<unknown>;
}

/** What the receiver does with its nth request (from 0): an answer, one that never ends, an end without one, or silence. */
export type Behaviour = (n: number, got: Got) => Answer | 'close' | 'silence' | 'endless';

export interface Receiver {
  port: number;
  /** PEM of the authority of its certificate. */
  ca: string;
  /** All requests, in the order they came. */
  got: Got[];
  behave(how: Behaviour): void;
  /** How many connections are open. */
  open(): Promise<number>;
}

/** An HTTPS server that takes webhooks, for the names `receiver.test` and 127.0.0.1; closed after the test file. */
export async function withReceiver(): Promise<Receiver> {
  const made = await createAuthority(Date.now());
  const common = { name: 'ca', generation: 1, created_at: new Date(), retired_at: null };
  const authority = openAuthority({ ...common, value: made.value, public: made.public });
  const { key, cert } = await issueServer([authority], ['receiver.test', '127.0.0.1'], Date.now());
  let how: Behaviour = () => ({ status: 204 });
  const got: Got[] = [];
  const server = createServer({ key, cert }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const entry = { path: request.url ?? '', headers: request.headers, body, at: Date.now() };
    got.push(entry);
    const answer = how(got.length - 1, entry);
    if (answer === 'close') return request.socket.destroy();
    if (answer === 'silence') return;
    if (answer === 'endless') {
      response.writeHead(200);
      const timer = setInterval(() => response.write(Buffer.alloc(4096)), 1);
      response.on('close', () => clearInterval(timer));
      return;
    }
    await answer.after;
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    ca: made.public.certificate,
    got,
    behave: (next) => {
      how = next;
    },
    open: async () => await promisify(server.getConnections.bind(server))(),
  };
}

/**
 * Verifies as a receiver does (Standard Webhooks 1.0.0, "verifying webhook authenticity"): the signed content is
 * `id.timestamp.body`, any of the signatures with version v1 may fit, and the time is at most five minutes off.
 */
export function verify(secret: string, { headers, body }: Got, now = Date.now()): boolean {
  const [id, timestamp] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
  if (id.includes('.') || !/^\d+$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .map((signature) => signature.split(','))
    .some(([version, text = '']) => {
      const given = Buffer.from(text, 'base64');
      return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
    });
}
