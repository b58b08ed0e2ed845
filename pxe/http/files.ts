import { constants, openSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { digestOf, sendFile } from './send-file.ts';

export interface FilesOptions {
  /** Folder of the files, each named by its SHA-256. */
  directory: string;
  /** Whether a signed manifest names the digest; throws when that cannot be known now. */
  isKnown: (sha256: string) => Promise<boolean>;
  /** nginx stands before this service: it is told which file to send, and sends it. */
  byNginx: boolean;
  /** How long a client may leave what it is sent lying, milliseconds. */
  patienceMs: number;
  /** Where missing or damaged files are had; undefined: nowhere. */
  origin?: Origin | undefined;
}

/** Where files come from that are not here yet. */
export interface Origin {
  /** Notes that a file is asked for. */
  use(sha256: string): void;
  /** Puts a good copy in the place of a missing or damaged file; false: no such file is known. Throws when it cannot. */
  fetch(sha256: string): Promise<boolean>;
}

type Taken = { file: FileHandle; size: number } | { doubt: string };

/** What cannot be said now, and may be in a while. */
export class NotNow extends Error {}

/** Where nginx's shipped configuration has the folder of the files, for us to name and nobody else. */
const ACCEL = '/machinedb-files';

/** Serves files that a signed manifest names by their SHA-256, each checked before its first byte goes out, and again when it was touched. */
export class Files {
  readonly #options: FilesOptions;
  readonly #checked = new Map<string, { stamp: string; good: Promise<boolean> }>();

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** Answers GET and HEAD with ranges (RFC 9110, section 14); a file that is not what its name says is refused. Throws NotNow. */
  async serve(request: IncomingMessage, response: ServerResponse, sha256: string): Promise<void> {
    const taken = await this.#take(sha256);
    if ('doubt' in taken) return refuse(response, taken.doubt);
    try {
      await this.#send(request, response, taken.file, sha256, taken.size);
    } finally {
      await taken.file.close();
    }
  }

  /** Opens a file as serve() would give it out; undefined when it would refuse it. Throws NotNow. */
  async open(sha256: string): Promise<{ fd: number; size: number } | undefined> {
    const taken = await this.#take(sha256);
    if ('doubt' in taken) return undefined;
    try {
      return { fd: openSync(`/proc/self/fd/${taken.file.fd}`, 'r'), size: taken.size };
    } finally {
      await taken.file.close();
    }
  }

  /** A file that is what its name says, had from the origin where that is not so here; or why there is none. */
  async #take(sha256: string): Promise<Taken> {
    const { origin } = this.#options;
    if (!(await this.#isKnown(sha256)))
      return { doubt: `no image of the catalogue has a file ${sha256}: machinedb image list shows them` };
    const here = await this.#open(sha256);
    if (origin === undefined) return here;
    if ('doubt' in here)
      await origin.fetch(sha256).catch((error: Error) => {
        throw new NotNow(`the file ${sha256} cannot be had now: ${error.message}`);
      });
    origin.use(sha256);
    return 'doubt' in here ? await this.#open(sha256) : here;
  }

  async #open(sha256: string): Promise<Taken> {
    const file = await openFile(join(this.#options.directory, sha256));
    if (file === undefined)
      return { doubt: `no file ${sha256} is here: build its image anew, or copy the file from where it was built` };
    try {
      const found = await file.stat();
      if (found.isFile() && (await this.#check(file, sha256, found))) return { file, size: found.size };
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return { doubt: `the file ${sha256} is damaged: put a good copy in its place` };
  }

  /** The manifests' word on a file; throws NotNow. */
  async #isKnown(sha256: string): Promise<boolean> {
    try {
      return await this.#options.isKnown(sha256);
    } catch (error) {
      throw new NotNow(`whether an image has this file cannot be looked up (${(error as Error).message})`);
    }
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    file: FileHandle,
    sha256: string,
    size: number,
  ): Promise<void> {
    const headers = {
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
    };
    if (this.#options.byNginx) {
      response.writeHead(200, { ...headers, 'x-accel-redirect': `${ACCEL}/${sha256}` }).end();
      return;
    }
    const etag = `"${sha256}"`;
    const same = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const range = same ? rangeOf(request.headers.range, size) : undefined;
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    response.writeHead(range === undefined ? 200 : 206, {
      ...headers,
      etag,
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    });
    if (request.method === 'HEAD') response.end();
    else await sendFile(file, response, { start, end }, this.#options.patienceMs);
  }

  #check(file: FileHandle, sha256: string, { ino, size, mtimeMs, ctimeMs }: Stats): Promise<boolean> {
    // A good copy may be put in its place with its old times kept; the time of change is nobody's to keep.
    const stamp = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    const known = this.#checked.get(sha256);
    if (known?.stamp === stamp) return known.good;
    const good = digestOf(file).then((digest) => digest === sha256);
    this.#checked.set(sha256, { stamp, good });
    good.catch(() => this.#checked.delete(sha256));
    return good;
  }
}

/** Undefined when there is none. What is no plain file is opened without waiting for its other end. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  return await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
}

/** Says why there is no file, to whoever reads the installer's error. */
function refuse(response: ServerResponse, why: string): void {
  response
    .writeHead(404, { 'content-type': 'text/plain' })
    .end(`${why}; machinedb image verify NAME tells whether all is well again`);
}

/** One range; several, or none that is understood, mean the whole file. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return end < start ? 'unsatisfiable' : { start, end };
}
