import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Slots } from './slots.ts';

const PIECE = 1024 * 1024;
/** Files on their way at a time: each holds a piece or two in memory, and 5,000 machines may start at once. */
const MOST_STREAMS = 128;

/** Where files come from that are not here yet. */
export interface Origin {
  /** Notes that a file is asked for. */
  use(sha256: string): void;
  /** Puts a good copy in the place of a missing or damaged file; false: no such file is known. Throws when it cannot. */
  fetch(sha256: string): Promise<boolean>;
}

/** Seconds after which a file is asked for again that could not be had. */
const AGAIN_S = 5;

/** Serves files by their SHA-256, each checked before its first byte goes out, and again when it was touched. */
export class Files {
  readonly #directory: string;
  readonly #checked = new Map<string, Promise<boolean>>();
  readonly #slots = new Slots(MOST_STREAMS);
  readonly #origin: Origin | undefined;

  /** @param origin of files that are missing or damaged; undefined: there is none */
  constructor(directory: string, origin?: Origin) {
    this.#directory = directory;
    this.#origin = origin;
  }

  /** Answers GET and HEAD with ranges (RFC 9110, section 14); a file that is not what its name says is refused. */
  async serve(request: IncomingMessage, response: ServerResponse, sha256: string): Promise<void> {
    const path = join(this.#directory, sha256);
    try {
      await this.#complete(path, sha256);
    } catch (error) {
      const headers = { 'content-type': 'text/plain', 'retry-after': String(AGAIN_S) };
      response.writeHead(503, headers).end(`the file ${sha256} cannot be had now: ${(error as Error).message}`);
      return;
    }
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true)
      return refuse(
        response,
        `no file ${sha256} is here: build its image anew, or copy the file from where it was built`,
      );
    if (!(await this.#check(path, sha256, found)))
      return refuse(response, `the file ${sha256} is damaged: put a good copy in its place`);
    const etag = `"${sha256}"`;
    const same = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const range = same ? rangeOf(request.headers.range, found.size) : undefined;
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${found.size}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: found.size - 1 };
    response.writeHead(range === undefined ? 200 : 206, {
      etag,
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      'content-length': end - start + 1,
      'cache-control': 'public, max-age=31536000, immutable',
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${found.size}` }),
    });
    if (request.method === 'HEAD' || found.size === 0) {
      response.end();
      return;
    }
    await this.#slots.use(async () => {
      if (response.destroyed) return;
      // A client that goes away ends its stream, and nothing else.
      await pipeline(createReadStream(path, { start, end, highWaterMark: PIECE }), response).catch(() => undefined);
    });
  }

  async #complete(path: string, sha256: string): Promise<void> {
    if (this.#origin === undefined) return;
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true || !(await this.#check(path, sha256, found))) await this.#origin.fetch(sha256);
    this.#origin.use(sha256);
  }

  #check(path: string, sha256: string, { ino, size, mtimeMs, ctimeMs }: Stats): Promise<boolean> {
    // A good copy may be put in its place with its old times kept; the time of change is nobody's to keep.
    const key = `${sha256} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    const known = this.#checked.get(key) ?? digestOf(path).then((digest) => digest === sha256);
    this.#checked.set(key, known);
    known.catch(() => this.#checked.delete(key));
    return known;
  }
}

/** Says why there is no file, to whoever reads the installer's error. */
function refuse(response: ServerResponse, why: string): void {
  response
    .writeHead(404, { 'content-type': 'text/plain' })
    .end(`${why}; machinedb image verify NAME tells whether all is well again`);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: PIECE })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** One range; several, or none that is understood, mean the whole file. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return start >= size || end < start ? 'unsatisfiable' : { start, end };
}
