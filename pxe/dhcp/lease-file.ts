import { closeSync, fdatasync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const lease = z.strictObject({
  address: z.ipv4(),
  /** Milliseconds since 1970. */
  until: z.number(),
  /** As the client calls itself, escaped; shown, never used. */
  hostname: z.string().optional(),
});
export type Lease = z.infer<typeof lease>;

const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
const leases = z.record(mac, lease);
/** What changed since: null where a lease is gone. */
const changes = z.record(mac, lease.nullable());

/** Changes after which the file is written anew, and times the number of leases. */
const CHANGES = { least: 1000, perLease: 2 };

const sync = promisify(fdatasync);

/** Leases by MAC; none when the file is not there. Throws when it holds something else. */
export function readLeases(file: string): Record<string, Lease> {
  try {
    const [whole = '', ...lines] = readFileSync(file, 'utf8').split('\n');
    const held: Record<string, Lease | null> = leases.parse(JSON.parse(whole));
    // What a power cut left of the last line was not promised to anybody.
    for (const line of lines.slice(0, -1)) Object.assign(held, changes.parse(JSON.parse(line)));
    return Object.fromEntries(Object.entries(held).filter((entry): entry is [string, Lease] => entry[1] !== null));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const cause = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`${file} holds no leases (${cause}): remove it, and machines get addresses anew`);
  }
}

/**
 * The file that keeps leases: all of them on its first line, and a line for each change since. A change costs the same whether ten
 * machines are known or a hundred thousand, and one write to the disk serves all that came while the last one was under way.
 */
export class LeaseFile {
  readonly #file: string;
  #fd: number | undefined;
  #lines = 0;
  #syncing: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Writes a change down: that `mac` has a lease, or none. It is durable when `flushed()` says so.
   *
   * @param all every lease there is now
   */
  record(mac: string, lease: Lease | null, all: () => Record<string, Lease>, size: number): void {
    if (this.#fd === undefined || this.#lines >= Math.max(CHANGES.least, CHANGES.perLease * size)) this.#rewrite(all());
    else this.#append(this.#fd, `${JSON.stringify({ [mac]: lease })}\n`);
  }

  /** Waits until all that was recorded is on the disk. */
  flushed(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#syncing.then(async () => {
      this.#next = undefined;
      const syncing = this.#fd === undefined ? Promise.resolve() : sync(this.#fd);
      this.#syncing = syncing.catch(() => undefined);
      await syncing;
    });
    this.#next = next;
    return next;
  }

  async close(): Promise<void> {
    await this.flushed().catch(() => undefined);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #append(fd: number, line: string): void {
    try {
      writeFileSync(fd, line);
      this.#lines += 1;
    } catch (error) {
      // A part of the line may be there: nothing is written behind it.
      this.#lines = Number.POSITIVE_INFINITY;
      throw error;
    }
  }

  /** All leases in place of the old file: after a power cut there is either. */
  #rewrite(all: Record<string, Lease>): void {
    const old = this.#fd;
    const draft = `${this.#file}.new`;
    const fd = openSync(draft, 'w', 0o644);
    try {
      writeFileSync(fd, `${JSON.stringify(all)}\n`);
      fsyncSync(fd);
      renameSync(draft, this.#file);
      const directory = openSync(dirname(this.#file), 'r');
      fsyncSync(directory);
      closeSync(directory);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
    this.#lines = 0;
    if (old !== undefined) void this.#syncing.then(() => closeSync(old));
  }
}
