import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { BadBackup, END_OF_ROWS } from './format.ts';

const NEWLINE = 10;
/** The head, which is the longest line that is not a row, has some kilobytes. */
const LONGEST_LINE = 4 * 1024 * 1024;
const MARK = Buffer.from(`${END_OF_ROWS}\n`);
const MARK_AFTER_ROW = Buffer.from(`\n${END_OF_ROWS}\n`);

/** Reads a backup's content from its beginning to its end; throws BadBackup where it is not one. */
export class Lines {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  readonly #whole = createHash('sha256');

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next line, as what it should be. */
  async object<T>(schema: z.ZodType<T>, what: string): Promise<T> {
    let at = this.#rest.indexOf(NEWLINE);
    while (at === -1) {
      if (this.#rest.length > LONGEST_LINE) throw new BadBackup(`it has no ${what} where one should be`);
      await this.#more();
      at = this.#rest.indexOf(NEWLINE);
    }
    const text = this.#take(at + 1).toString('utf8');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new BadBackup(`it has no ${what} where one should be`);
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw new BadBackup(`it has no ${what} where one should be`);
    return parsed.data;
  }

  /** The rows up to their end mark, in pieces of whole lines. */
  async *rows(): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.#rest.subarray(0, MARK.length).equals(MARK)) {
        this.#take(MARK.length);
        return;
      }
      const mark = this.#rest.indexOf(MARK_AFTER_ROW);
      // Without the mark, the last line may be its beginning.
      const whole = mark === -1 ? this.#rest.lastIndexOf(NEWLINE, this.#rest.length - MARK_AFTER_ROW.length) : mark;
      if (whole >= 0) yield this.#take(whole + 1);
      else await this.#more();
    }
  }

  /** SHA-256 of all that was read until now. */
  digest(): string {
    return this.#whole.copy().digest('hex');
  }

  /** Throws unless nothing follows. */
  async ended(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#source.next()).done !== true)
      throw new BadBackup('something follows its end');
  }

  /** Lets the source go, wherever it stands. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done === true) throw new BadBackup('it ends before its end: a part of it is missing');
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.#whole.update(taken);
    return taken;
  }
}
