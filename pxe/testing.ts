import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import http, { type IncomingHttpHeaders } from 'node:http';
import { Files, type FilesOptions } from './http/files.ts';

/** A log that keeps what it is told: [level, message, data]. */
export function keptLog() {
  const lines: [string, string, object][] = [];
  const add = (level: string) => (data: object, message: string) => void lines.push([level, message, data]);
  return { lines, info: add('info'), warn: add('warn') };
}

/** The files of a folder, of which a manifest names every one unless it is said otherwise. */
export function filesOf(directory: string, more: Partial<FilesOptions> = {}): Files {
  return new Files({ directory, isKnown: async () => true, byNginx: false, patienceMs: 60_000, ...more });
}

export interface Got {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** One request by a connection of its own to a port of this machine, GET unless `more` says otherwise, and its whole answer. */
export function httpGet(port: number, path: string, more: http.RequestOptions = {}): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const request = http.request({ hostname: '127.0.0.1', port, path, agent: false, ...more }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () =>
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
    );
  });
  request.on('error', reject);
  request.end();
  return promise;
}

/** A UDP socket whose packets are taken one by one. */
export class Peer {
  readonly socket: Socket;
  readonly #got: { data: Buffer; port: number; address: string }[] = [];
  #waiting: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (data, { port, address }) => {
      this.#got.push({ data, port, address });
      this.#waiting?.();
    });
  }

  static async open(address = '127.0.0.1', port = 0): Promise<Peer> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.bind(port, address);
    await once(socket, 'listening');
    return new Peer(socket);
  }

  send(data: Buffer, port: number, address = '127.0.0.1'): void {
    this.socket.send(data, port, address);
  }

  /** The next packet; undefined: none came in time. */
  async next(withinMs = 2000): Promise<{ data: Buffer; port: number; address: string } | undefined> {
    if (this.#got.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      const timer = setTimeout(resolve, withinMs);
      await promise;
      clearTimeout(timer);
      this.#waiting = undefined;
    }
    return this.#got.shift();
  }

  close(): void {
    this.socket.close();
  }
}

/** A UDP port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const peer = await Peer.open();
  const { port } = peer.socket.address();
  peer.close();
  return port;
}

/** Numbers from 0 up to 1 that a seed decides (mulberry32), so that a run can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A packet with some of its bytes changed, cut off or added. */
export function mutate(packet: Buffer, random: () => number): Buffer {
  const upTo = (n: number) => Math.floor(random() * n);
  let made = Buffer.from(packet);
  for (let i = upTo(8); i >= 0 && made.length > 0; i--) made[upTo(made.length)] = upTo(256);
  if (random() < 0.2) made = made.subarray(0, upTo(made.length + 1));
  if (random() < 0.2) made = Buffer.concat([made, Buffer.from(Array.from({ length: upTo(600) }, () => upTo(256)))]);
  return made;
}
