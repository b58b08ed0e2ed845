import { Readable } from 'node:stream';
import type pg from 'pg';

/** A message of the protocol's COPY sub-protocol (PostgreSQL manual, 55.2.6) that node-postgres hands on. */
interface CopyData {
  chunk: Buffer;
}

/** What node-postgres calls of a query that is written to its connection by itself (a Submittable). */
abstract class Copy implements pg.Submittable {
  readonly #text: string;
  #failure: Error | undefined;
  /** Rows, as PostgreSQL counts them. */
  rows = 0;

  constructor(text: string) {
    this.#text = text;
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#text);
  }

  abstract ended(failure: Error | undefined): void;

  handleCommandComplete({ text }: { text: string }): void {
    this.rows = Number(/^COPY (\d+)$/.exec(text)?.[1]);
  }

  handleReadyForQuery(): void {
    this.ended(this.#failure);
  }

  /** The server, or its connection, failed. A failed COPY is followed by ReadyForQuery that is no more ours. */
  handleError(error: Error): void {
    this.#failure = error;
    this.ended(error);
  }
}

const CHUNK = 64 * 1024;

class Out extends Copy {
  readonly stream: Readable;
  readonly #pause: () => void;
  #waiting: Buffer[] = [];
  #size = 0;

  constructor(text: string, client: pg.Client) {
    super(text);
    const { stream } = (client as unknown as { connection: pg.Connection }).connection;
    this.stream = new Readable({ read: () => void stream.resume() });
    this.stream.on('error', () => void stream.resume());
    this.#pause = () => void stream.pause();
  }

  // A message is a row: far too little to hand on at a time. It is a view of the parser's buffer, which is written over by what
  // comes next: without a copy, rows are silently mixed up.
  handleCopyData({ chunk }: CopyData): void {
    this.#waiting.push(Buffer.from(chunk));
    this.#size += chunk.length;
    if (this.#size >= CHUNK) this.#flush();
  }

  #flush(): void {
    if (this.#size === 0) return;
    const taken = this.stream.push(Buffer.concat(this.#waiting));
    this.#waiting = [];
    this.#size = 0;
    if (!taken) this.#pause();
  }

  override ended(failure: Error | undefined): void {
    if (failure !== undefined) {
      this.stream.destroy(failure);
      return;
    }
    this.#flush();
    this.stream.push(null);
  }
}

/** What `copy ... to stdout` gives, in text format: a line a row. Read it to its end before the client is asked again. */
export function copyOut(client: pg.Client, text: string): Readable {
  const out = new Out(text, client);
  client.query(out);
  return out.stream;
}

class In extends Copy {
  readonly done = Promise.withResolvers<number>();
  readonly open = Promise.withResolvers<pg.Connection>();

  constructor(text: string) {
    super(text);
    this.done.promise.catch(() => undefined);
    this.open.promise.catch(() => undefined);
  }

  handleCopyInResponse(connection: pg.Connection): void {
    this.open.resolve(connection);
  }

  override ended(failure: Error | undefined): void {
    if (failure === undefined) {
      this.done.resolve(this.rows);
      return;
    }
    this.open.reject(failure);
    this.done.reject(failure);
  }
}

/**
 * Sends text-format rows by `copy ... from stdin`; answers how many rows PostgreSQL took. Throws what `rows` throws, having
 * told the server that the copy failed, or what the server said.
 */
export async function copyIn(client: pg.Client, text: string, rows: AsyncIterable<Buffer>): Promise<number> {
  const copy = new In(text);
  client.query(copy);
  const connection = (await copy.open.promise) as pg.Connection & {
    sendCopyFromChunk(chunk: Buffer): void;
    endCopyFrom(): void;
    sendCopyFail(reason: string): void;
  };
  try {
    for await (const chunk of rows) {
      connection.sendCopyFromChunk(chunk);
      if (connection.stream.writableNeedDrain) {
        const drained = new Promise((resolve) => connection.stream.once('drain', resolve));
        await Promise.race([drained, copy.done.promise]);
      }
    }
  } catch (error) {
    connection.sendCopyFail('the backup is not good');
    throw error;
  }
  connection.endCopyFrom();
  return await copy.done.promise;
}
