import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { RelaySaid } from '../../shared/api/relay.ts';
import { makeFolder, syncFolder } from './durable.ts';

/** The queue took nothing: its limit is reached, or the disk is full or broken. Nothing of it may be acknowledged. */
export class QueueFull extends Error {}

interface Waiting {
  said: RelaySaid;
  line: Buffer;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * What nodes told while the centre was away, in the order it came: lines of JSON, each on the disk before put() resolves. After a
 * crash some may be delivered again, which the centre notices; a line that was cut off was never acknowledged.
 */
export class Queue {
  readonly #file: FileHandle;
  readonly #limit: number;
  /** Bytes of the file that are whole lines. What lies behind them is overwritten. */
  #size: number;
  #entries: RelaySaid[];
  #waiting: Waiting[] = [];
  #promised = 0;
  #writing: Promise<void> | undefined;

  private constructor(file: FileHandle, limit: number, size: number, entries: RelaySaid[]) {
    this.#file = file;
    this.#limit = limit;
    this.#size = size;
    this.#entries = entries;
  }

  /** @param limit bytes of the file at most */
  static async open(directory: string, limit: number): Promise<Queue> {
    makeFolder(directory);
    const path = join(directory, 'queue.jsonl');
    const file = await open(path, 'r+', 0o600).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      const made = await open(path, 'wx+', 0o600);
      await syncFolder(directory);
      return made;
    });
    const text = await file.readFile();
    const entries: RelaySaid[] = [];
    let size = 0;
    for (let end = text.indexOf(10); end !== -1; end = text.indexOf(10, size)) {
      const entry = entryOf(text.subarray(size, end));
      // A line that the disk has damaged is lost; those behind it were acknowledged, and are not.
      if (entry !== undefined) entries.push(entry);
      size = end + 1;
    }
    // A line that was cut off by a crash was never acknowledged.
    await file.truncate(size);
    return new Queue(file, limit, size, entries);
  }

  /** Things that wait, those that are just being written with them. */
  get length(): number {
    return this.#entries.length + this.#promised;
  }

  /** Resolves when it is on the disk; throws QueueFull. The order is that of the calls. */
  put(said: RelaySaid): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(said)}\n`);
    const before = this.#waiting.reduce((sum, waiting) => sum + waiting.line.length, this.#size);
    if (before + line.length > this.#limit)
      return Promise.reject(new QueueFull(`the queue of this relay is full (${this.#limit} bytes)`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ said, line, resolve, reject });
    this.#promised += 1;
    this.#writing ??= this.#write();
    return promise;
  }

  /** All that waits, the oldest first. */
  get entries(): readonly RelaySaid[] {
    return this.#entries;
  }

  /** The oldest that waits; undefined: none does, or it is just being written. */
  first(): RelaySaid | undefined {
    return this.#entries[0];
  }

  /** Takes the oldest away: it was delivered. When it was the last, the file is emptied. */
  async delivered(): Promise<void> {
    this.#entries.shift();
    if (this.length > 0) return;
    this.#size = 0;
    this.#writing = this.#empty();
    await this.#writing;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#file.close();
  }

  async #empty(): Promise<void> {
    // What is left of it by a crash is delivered again, and noticed.
    await this.#file.truncate(0).catch(() => undefined);
    await this.#write();
  }

  /** What came while the disk was busy shares the next write. */
  async #write(): Promise<void> {
    // put() may be called often in one turn of the event loop.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const bytes = Buffer.concat(batch.map(({ line }) => line));
      const failure = await this.#append(bytes);
      this.#promised -= batch.length;
      for (const { said, resolve, reject } of batch) {
        if (failure !== undefined) reject(failure);
        else {
          this.#entries.push(said);
          resolve();
        }
      }
    }
    this.#writing = undefined;
  }

  async #append(bytes: Buffer): Promise<QueueFull | undefined> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#size + done);
        done += bytesWritten;
      }
      await this.#file.datasync();
      this.#size += bytes.length;
      return undefined;
    } catch (error) {
      // Half a line is cut off, so that the disk has the room again; if that fails, too, the next write covers it.
      await this.#file.truncate(this.#size).catch(() => undefined);
      return new QueueFull(`the queue of this relay cannot be written: ${(error as Error).message}`);
    }
  }
}

function entryOf(line: Buffer): RelaySaid | undefined {
  try {
    return JSON.parse(line.toString('utf8')) as RelaySaid;
  } catch {
    return undefined;
  }
}
