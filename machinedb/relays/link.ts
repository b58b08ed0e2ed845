import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import type { WebSocket } from 'ws';
import {
  bodyFrames,
  decodeFrame,
  encodeFrame,
  type Frame,
  frameJson,
  MOST_BODY,
  type RequestHead,
} from '../../shared/relay-frame.ts';
import type { Caller, Context, Request } from '../context.ts';
import { authenticate, authorize, stillValid } from '../http/auth.ts';
import { Problem } from '../http/problem.ts';
import { sessionSocket } from '../routes/self.ts';
import { CarriedSocket } from './carried-socket.ts';
import { carry } from './carry.ts';
import { checkSite } from './site-nodes.ts';

const CHECK_MS = 15_000;
/** A connection that says nothing for so long is dead: a relay pings every few seconds. */
const SILENCE_MS = 60_000;
const MOST_SESSIONS = 10_000;
const MOST_REQUESTS = 2_000;
/** Bytes of requests that are still coming, and bytes that may wait to go out. */
const MOST_WAITING = 64 * 1024 * 1024;

type Relay = Extract<Caller, { kind: 'relay' }>;

/** The one connection of a relay: carries requests and sessions of its rack's agents until it ends or the relay is revoked. */
export async function linkSocket(
  context: Context,
  request: Request<'relayLink'>,
  connection: WebSocket,
  server: FastifyInstance,
): Promise<void> {
  if (request.caller.kind !== 'relay') throw new Problem('forbidden', "this is a relay's door");
  const link = new Link(context, request.caller, connection, server);
  link.start();
}

class Link {
  readonly #context: Context;
  readonly #relay: Relay;
  readonly #connection: WebSocket;
  readonly #server: FastifyInstance;
  readonly #sessions = new Map<number, CarriedSocket>();
  readonly #coming = new Map<number, { head: RequestHead; pieces: Buffer[]; size: number }>();
  #waiting = 0;
  #working = 0;
  #heard = 0;
  #checking = false;

  constructor(context: Context, relay: Relay, connection: WebSocket, server: FastifyInstance) {
    this.#context = context;
    this.#relay = relay;
    this.#connection = connection;
    this.#server = server;
  }

  start(): void {
    const { feed, log } = this.#context;
    log.info({ relay: this.#relay.name, site: this.#relay.site }, 'a relay is connected');
    this.#heard = performance.now();
    this.#connection.on('message', (data, isBinary) => {
      this.#heard = performance.now();
      if (isBinary) this.#take(data as Buffer);
    });
    this.#connection.on('ping', () => {
      this.#heard = performance.now();
    });
    const timer = setInterval(() => {
      if (performance.now() - this.#heard > SILENCE_MS) this.#connection.terminate();
      else void this.#check();
    }, CHECK_MS);
    // A revocation is an event: whichever daemon took it, it is noticed within a second or so.
    const unsubscribe = feed.subscribe(() => void this.#check());
    this.#connection.on('close', () => {
      clearInterval(timer);
      unsubscribe();
      for (const session of this.#sessions.values()) session.ended();
      this.#sessions.clear();
      log.info({ relay: this.#relay.name }, 'a relay is disconnected');
    });
    void this.#check();
  }

  /** Ends the connection of a relay that was revoked; notes when the others were there. */
  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      if (!(await stillValid(this.#context, this.#relay))) this.#connection.close(1008, 'the relay was revoked');
      else
        await sql`update relay set seen_at = now() where id = ${this.#relay.id}
          and coalesce(seen_at, '-infinity') < now() - interval '10 seconds'`.execute(this.#context.db);
    } catch {
      // The database is away: nothing is served without it, and the next check decides.
    } finally {
      this.#checking = false;
    }
  }

  #take(bytes: Buffer): void {
    const frame = decodeFrame(bytes);
    if (frame === undefined) return;
    try {
      this.#takeFrame(frame);
    } catch (error) {
      this.#connection.close(1008, (error as Error).message.slice(0, 120));
    }
  }

  #takeFrame(frame: Frame): void {
    const { kind, id, payload } = frame;
    if (kind === 'request') this.#announce(id, frameJson<RequestHead>(frame));
    else if (kind === 'body') this.#addBody(id, payload);
    else if (kind === 'end') this.#begin(id);
    else if (kind === 'open') void this.#open(id, frameJson<RequestHead>(frame));
    else if (kind === 'message') this.#sessions.get(id)?.said(payload.toString('utf8'));
    else if (kind === 'close') {
      this.#sessions.get(id)?.ended();
      this.#sessions.delete(id);
    }
  }

  /** A request begins: many may come at a time, but what has begun and never ends is bounded, too. */
  #announce(id: number, head: RequestHead): void {
    this.#drop(id);
    if (this.#coming.size < MOST_REQUESTS) this.#coming.set(id, { head, pieces: [], size: 0 });
    else this.#reply(id, 503, Buffer.alloc(0), { 'retry-after': '2' });
  }

  #addBody(id: number, payload: Buffer): void {
    const coming = this.#coming.get(id);
    if (coming === undefined) return;
    coming.size += payload.length;
    this.#waiting += payload.length;
    if (coming.size <= MOST_BODY && this.#waiting <= MOST_WAITING) {
      coming.pieces.push(payload);
      return;
    }
    this.#drop(id);
    this.#reply(id, coming.size > MOST_BODY ? 413 : 503, Buffer.alloc(0));
  }

  #drop(id: number): void {
    this.#waiting -= this.#coming.get(id)?.size ?? 0;
    this.#coming.delete(id);
  }

  #begin(id: number): void {
    const coming = this.#coming.get(id);
    if (coming === undefined) return;
    this.#drop(id);
    if (this.#working >= MOST_REQUESTS) {
      this.#reply(id, 503, Buffer.alloc(0), { 'retry-after': '2' });
      return;
    }
    this.#working += 1;
    carry(this.#server, this.#context, this.#relay.site, coming.head, Buffer.concat(coming.pieces))
      .then(({ head, body }) => this.#reply(id, head.status, body, head.headers))
      .finally(() => {
        this.#working -= 1;
      });
  }

  #reply(id: number, status: number, body: Buffer, headers: Record<string, string> = {}): void {
    this.#send(encodeFrame('reply', id, { status, headers }));
    for (const bytes of bodyFrames(id, body)) this.#send(bytes);
  }

  async #open(id: number, head: RequestHead): Promise<void> {
    const end = (code: number, reason: string) => {
      this.#sessions.delete(id);
      this.#send(encodeFrame('close', id, { code, reason }));
    };
    try {
      if (this.#sessions.size >= MOST_SESSIONS) throw new Problem('unavailable', 'the relay has too many sessions');
      const caller = await authenticate(this.#context, head.headers.authorization);
      authorize(caller, 'node:claimed');
      if (caller.kind === 'node') await checkSite(this.#context.db, caller.node, this.#relay.site);
      if (this.#connection.readyState !== this.#connection.OPEN) return;
      const socket = new CarriedSocket((text) => this.#send(encodeFrame('message', id, text)), end);
      this.#sessions.set(id, socket);
      this.#send(encodeFrame('opened', id));
      await sessionSocket(this.#context, { caller }, socket);
    } catch (error) {
      if (error instanceof Problem) return end(error.status, error.message.slice(0, 120));
      this.#context.log.error({ err: error }, 'a carried session failed');
      end(503, 'try again');
    }
  }

  #send(bytes: Buffer): void {
    if (this.#connection.readyState !== this.#connection.OPEN) return;
    // A relay that does not read is ended: it comes again.
    if (this.#connection.bufferedAmount > MOST_WAITING) this.#connection.terminate();
    else this.#connection.send(bytes);
  }
}
