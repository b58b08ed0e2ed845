import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import {
  bodyFrames,
  type CloseText,
  decodeFrame,
  encodeFrame,
  type Frame,
  frameJson,
  MOST_BODY,
  type ReplyHead,
  type RequestHead,
} from '../../shared/relay-frame.ts';

/** The centre cannot be asked now, or did not answer: whether it did what was asked is not known. */
export class Away extends Error {}

export interface Reply extends ReplyHead {
  body: Buffer;
}

/** What the centre says on a node's session. */
export interface SessionEvents {
  opened(): void;
  message(text: string): void;
  /** `code` below 600 is an HTTP status: the session was refused. */
  close(code: number, reason: string): void;
}

export interface CarriedSession {
  send(text: string): void;
  close(): void;
}

export interface LinkOptions {
  /** wss://CENTRE/v1/relay/link */
  url: URL;
  token: string;
  /** PEM of the CAs that are trusted now; undefined: plain, on loopback. */
  ca: () => string | undefined;
  /** Called each time the connection is there. */
  up: () => void;
  /** `refused`: the centre does not know the credential (any more). */
  down: (why: { cause: string; refused: boolean }) => void;
  /** Longest time between two tries, milliseconds. */
  retryMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

const PING_MS = 5_000;
const SILENCE_MS = 15_000;
const ANSWER_MS = 30_000;
const MOST_FRAME = 64 * 1024;
const MOST_WAITING = 64 * 1024 * 1024;

interface Asked {
  resolve: (reply: Reply) => void;
  reject: (error: Away) => void;
  timer: NodeJS.Timeout;
  head: ReplyHead | undefined;
  pieces: Buffer[];
  size: number;
}

/** The one connection to the centre. It is made again by itself until close(). */
export class Link {
  readonly #options: LinkOptions;
  readonly #asked = new Map<number, Asked>();
  readonly #sessions = new Map<number, SessionEvents>();
  #socket: WebSocket | undefined;
  #id = 0;
  readonly #closing = new AbortController();

  constructor(options: LinkOptions) {
    this.#options = options;
    void this.#run();
  }

  get isUp(): boolean {
    return this.#ready() !== undefined;
  }

  /** Asks the centre; throws Away. */
  request(head: RequestHead, body: Buffer): Promise<Reply> {
    const socket = this.#ready();
    if (socket === undefined) return Promise.reject(new Away('the centre is away'));
    const id = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const timer = setTimeout(() => {
      this.#asked.delete(id);
      reject(new Away(`the centre did not answer within ${ANSWER_MS / 1000} s`));
    }, ANSWER_MS);
    this.#asked.set(id, { resolve, reject, timer, head: undefined, pieces: [], size: 0 });
    this.#send(encodeFrame('request', id, head));
    for (const frame of bodyFrames(id, body)) this.#send(frame);
    return promise;
  }

  /** Opens a session for a node; throws Away. */
  open(head: RequestHead, events: SessionEvents): CarriedSession {
    if (this.#ready() === undefined) throw new Away('the centre is away');
    const id = this.#nextId();
    this.#sessions.set(id, events);
    this.#send(encodeFrame('open', id, head));
    return {
      send: (text) => {
        if (this.#sessions.has(id)) this.#send(encodeFrame('message', id, text));
      },
      close: () => {
        if (this.#sessions.delete(id)) this.#send(encodeFrame('close', id, { code: 1000, reason: '' }));
      },
    };
  }

  close(): void {
    this.#closing.abort();
    this.#socket?.terminate();
  }

  #ready(): WebSocket | undefined {
    return this.#socket?.readyState === WebSocket.OPEN ? this.#socket : undefined;
  }

  #nextId(): number {
    do this.#id = (this.#id % (2 ** 32 - 1)) + 1;
    while (this.#asked.has(this.#id) || this.#sessions.has(this.#id));
    return this.#id;
  }

  #send(frame: Buffer): void {
    const socket = this.#ready();
    if (socket === undefined) return;
    // A centre that does not read is as good as away.
    if (socket.bufferedAmount > MOST_WAITING) socket.terminate();
    else socket.send(frame);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { random, retryMs, down } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const end = await this.#connection(() => {
        failures = 0;
      });
      this.#drop(end.cause);
      if (signal.aborted) return;
      down(end);
      await sleep(Math.min(retryMs, 500 * 2 ** failures) * random(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One connection, from its beginning to its end. */
  #connection(open: () => void): Promise<{ cause: string; refused: boolean }> {
    const { url, token, ca, up } = this.#options;
    const trusted = ca();
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      handshakeTimeout: SILENCE_MS,
      maxPayload: MOST_FRAME,
      ...(trusted === undefined ? {} : { ca: trusted, servername: 'machinedb', minVersion: 'TLSv1.3' }),
    });
    this.#socket = socket;
    const end = { cause: 'the connection ended', refused: false };
    let heard = performance.now();
    const listen = () => {
      heard = performance.now();
    };
    const ping = setInterval(() => {
      if (performance.now() - heard > SILENCE_MS) socket.terminate();
      else if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, PING_MS);
    const { promise, resolve } = Promise.withResolvers<typeof end>();
    socket.on('pong', listen);
    socket.on('unexpected-response', (request, response) => {
      end.cause = `the centre answers HTTP ${response.statusCode}`;
      end.refused = response.statusCode === 401 || response.statusCode === 403;
      request.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => {
      end.cause = error.message;
    });
    socket.on('open', () => {
      open();
      up();
    });
    socket.on('message', (data, isBinary) => {
      listen();
      if (isBinary) this.#take(data as Buffer, socket);
    });
    socket.on('close', (code, reason) => {
      clearInterval(ping);
      if (code === 1008) Object.assign(end, { cause: String(reason), refused: /revoked/.test(String(reason)) });
      resolve(end);
    });
    return promise;
  }

  /** What was asked on a connection that is over is not answered any more, and its sessions are over. */
  #drop(cause: string): void {
    for (const { reject, timer } of this.#asked.values()) {
      clearTimeout(timer);
      reject(new Away(cause));
    }
    this.#asked.clear();
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) session.close(1012, 'the centre is away');
  }

  #take(bytes: Buffer, socket: WebSocket): void {
    const frame = decodeFrame(bytes);
    if (frame === undefined) return;
    try {
      if (this.#sessions.has(frame.id)) this.#takeForSession(frame, this.#sessions.get(frame.id)!);
      else if (this.#asked.has(frame.id)) this.#takeReply(frame, this.#asked.get(frame.id)!);
    } catch {
      socket.close(1002, 'a frame is broken');
    }
  }

  #takeForSession(frame: Frame, session: SessionEvents): void {
    if (frame.kind === 'opened') session.opened();
    else if (frame.kind === 'message') session.message(frame.payload.toString('utf8'));
    else if (frame.kind === 'close') {
      this.#sessions.delete(frame.id);
      const { code, reason } = frameJson<CloseText>(frame);
      session.close(code, reason);
    }
  }

  #takeReply(frame: Frame, asked: Asked): void {
    if (frame.kind === 'reply') asked.head = frameJson<ReplyHead>(frame);
    else if (frame.kind === 'body') {
      asked.size += frame.payload.length;
      if (asked.size > 2 * MOST_BODY) throw new Error('the reply is too large');
      asked.pieces.push(frame.payload);
    } else if (frame.kind === 'end' && asked.head !== undefined) {
      clearTimeout(asked.timer);
      this.#asked.delete(frame.id);
      asked.resolve({ ...asked.head, body: Buffer.concat(asked.pieces) });
    }
  }
}
