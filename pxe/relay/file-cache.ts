import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Origin } from '../http/files.ts';
import { makeFolder, syncFolder } from './durable.ts';

/** Beginning of the name of a file that is still coming. */
const PART = 'part-';

export interface FileCacheOptions {
  directory: string;
  /** Bytes of all files at most; undefined: as many as the disk has. */
  limit: number | undefined;
  /** Bytes that a file has by a signed manifest; undefined: no manifest names it. */
  sizeOf: (sha256: string) => number | undefined;
  /** The bytes of a file, from the centre. */
  fetch: (sha256: string) => Promise<Readable>;
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
}

/**
 * Files of images by their SHA-256, fetched once each from the centre. A file has its name only when its size and digest are what
 * the name and the signed manifest say, and it is on the disk: whatever ends a download leaves nothing under that name.
 */
export class FileCache implements Origin {
  readonly #options: FileCacheOptions;
  readonly #fetching = new Map<string, Promise<void>>();
  /** Order of last use: the oldest first. */
  readonly #used = new Map<string, number>();

  private constructor(options: FileCacheOptions) {
    this.#options = options;
  }

  static async open(options: FileCacheOptions): Promise<FileCache> {
    makeFolder(options.directory);
    const cache = new FileCache(options);
    const found: [string, number, number][] = [];
    for (const name of await readdir(options.directory)) {
      const path = join(options.directory, name);
      if (name.startsWith(PART)) await rm(path, { force: true });
      else if (/^[0-9a-f]{64}$/.test(name)) {
        const { size, mtimeMs } = await stat(path);
        found.push([name, size, mtimeMs]);
      }
    }
    for (const [name, size] of found.sort((a, b) => a[2] - b[2])) cache.#used.set(name, size);
    return cache;
  }

  /** Notes that a file is in use. */
  use(sha256: string): void {
    const size = this.#used.get(sha256);
    if (size === undefined) return;
    this.#used.delete(sha256);
    this.#used.set(sha256, size);
  }

  /** Puts a good copy in the place of a file that is missing or damaged. Answers false when no signed manifest names the file. */
  async fetch(sha256: string): Promise<boolean> {
    const size = this.#options.sizeOf(sha256);
    if (size === undefined) return false;
    const coming =
      this.#fetching.get(sha256) ??
      this.#download(sha256, size).finally(() => {
        this.#fetching.delete(sha256);
      });
    this.#fetching.set(sha256, coming);
    await coming;
    return true;
  }

  async #download(sha256: string, size: number): Promise<void> {
    const { directory, fetch, log } = this.#options;
    await this.#makeRoom(sha256, size);
    const part = join(directory, `${PART}${sha256.slice(0, 16)}-${randomBytes(6).toString('hex')}`);
    try {
      const stream = await fetch(sha256);
      const handle = await open(part, 'wx', 0o600);
      try {
        await take(stream, handle, sha256, size);
        await handle.sync();
      } finally {
        stream.destroy();
        await handle.close();
      }
      await rename(part, join(directory, sha256));
      await syncFolder(directory);
      this.#used.delete(sha256);
      this.#used.set(sha256, size);
      log.info({ sha256, size }, 'a file came from the centre');
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  /** The files that nobody used for the longest time go first. */
  async #makeRoom(sha256: string, size: number): Promise<void> {
    const { directory, limit, log } = this.#options;
    if (limit === undefined) return;
    if (size > limit) throw new Error(`the file ${sha256} has ${size} bytes, and the cache's limit is ${limit}`);
    const taken = () => [...this.#used].reduce((sum, [name, bytes]) => sum + (name === sha256 ? 0 : bytes), 0);
    for (const [name] of [...this.#used]) {
      if (taken() + size <= limit) return;
      if (name === sha256) continue;
      await rm(join(directory, name), { force: true });
      this.#used.delete(name);
      log.info({ sha256: name }, 'a file was let go: the cache is at its limit');
    }
  }
}

/** Writes what comes. Throws unless it is exactly the file. */
async function take(stream: Readable, into: FileHandle, sha256: string, size: number): Promise<void> {
  const hash = createHash('sha256');
  let came = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    came += chunk.length;
    if (came > size) break;
    hash.update(chunk);
    for (let done = 0; done < chunk.length; ) done += (await into.write(chunk, done)).bytesWritten;
  }
  if (came !== size)
    throw new Error(`${came > size ? 'more than ' : ''}${Math.min(came, size)} of ${size} bytes of ${sha256} came`);
  const digest = hash.digest('hex');
  if (digest !== sha256) throw new Error(`what came as ${sha256} has the SHA-256 ${digest}`);
}
