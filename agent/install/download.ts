import { createHash } from 'node:crypto';
import http from 'node:http';
import type { Writable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { backoffMs } from '../client/backoff.ts';
import { retryAfterOf } from '../client/http.ts';

const SILENCE_MS = 20_000;
const AGAIN_MS = 2_000;

export interface Download {
  /** http://HOST:PORT/files/SHA256: plain, since the digest of what comes decides. */
  url: URL;
  /** Bytes of the file. */
  size: number;
  sha256: string;
  /** How long the server may be away in all, milliseconds. */
  patienceMs: number;
  sleep: (ms: number) => Promise<void>;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Bytes in which the decompressed file comes: every piece is a trip to another thread. */
const PIECE = 1024 * 1024;
/** Of what the server says about a file that it does not have. */
const MOST_TEXT = 500;

/**
 * The decompressed bytes of a file, in order; it ends only when the SHA-256 of what came is right. A connection that breaks is taken up where it broke (RFC 9110, section 14:
 * Range with If-Range); one that stays silent counts as broken. A server that is busy says when to come again, and is not away.
 *
 * @throws Error that names the cause when the server is away for longer than `patienceMs` at a time, or what came is another file
 */
export async function* download(options: Download): AsyncGenerator<Buffer> {
  const zstd = createZstdDecompress({ chunkSize: PIECE });
  const feeding = feed(options, zstd).then(
    () => zstd.end(),
    (error: Error) => zstd.destroy(error),
  );
  try {
    yield* zstd as AsyncIterable<Buffer>;
  } catch (error) {
    // A file that is broken may end the decompression before its digest is known.
    if ((error as NodeJS.ErrnoException).code?.startsWith('ZSTD_') !== true) throw error;
    throw broken(options, (error as Error).message);
  }
  await feeding;
}

function broken({ sha256 }: Download, cause: string): Error {
  return new Error(
    `what came is not the file ${sha256} (${cause}), and the disk was not made bootable: machinedb image verify tells whether the stored file is damaged; if it is good, the way from there changes it`,
  );
}

async function feed(options: Download, into: Writable): Promise<void> {
  let at = 0;
  let away = 0;
  let etag: string | undefined;
  // Of what comes, not of what it unpacks to: the compressed file is a fraction of it.
  const hash = createHash('sha256');
  while (at < options.size) {
    const before = at;
    try {
      for await (const chunk of body(options.url, at, etag, (found) => {
        etag ??= found;
      })) {
        at += chunk.length;
        hash.update(chunk);
        if (at > options.size) throw new Refused(`${options.url} is longer than the ${options.size} bytes announced`);
        // Whoever took the bytes has found them broken, or wants no more.
        if (into.destroyed) throw new Refused('the download was ended');
        if (!into.write(chunk)) await drained(into);
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (error instanceof Busy) {
        away = 0;
        await options.sleep(backoffMs(1, options.random, error.retryAfterS));
        continue;
      }
      if (at > before) away = 0;
      away += AGAIN_MS;
      if (away > options.patienceMs)
        throw new Error(
          `${options.url} cannot be fetched: ${(error as Error).message}, ${at} of ${options.size} bytes came`,
        );
      await options.sleep(AGAIN_MS);
    }
  }
  const digest = hash.digest('hex');
  if (digest !== options.sha256) throw broken(options, `its SHA-256 is ${digest}`);
}

/** The server is there, and says in how many seconds to come again. */
class Busy extends Error {
  readonly retryAfterS: number;

  constructor(retryAfterS: number) {
    super(`busy for ${retryAfterS} s`);
    this.retryAfterS = retryAfterS;
  }
}

/** What asking again does not mend. */
class Refused extends Error {}

async function* body(url: URL, from: number, etag: string | undefined, seen: (etag: string) => void) {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const range = from === 0 || etag === undefined ? {} : { range: `bytes=${from}-`, 'if-range': etag };
  // No kept connection: the server may be closing it just now.
  const request = http.get(url, { headers: range, timeout: SILENCE_MS, agent: false }, resolve);
  request.on('timeout', () => request.destroy(new Error(`silent for ${SILENCE_MS / 1000} s`)));
  request.on('error', reject);
  const response = await promise;
  const { statusCode = 0, headers } = response;
  if (statusCode >= 500 || statusCode === 429) {
    response.destroy();
    const retryAfterS = retryAfterOf(headers);
    throw retryAfterS === undefined ? new Error(`HTTP ${statusCode}`) : new Busy(retryAfterS);
  }
  // The server is there, and does not have the file: a person must hear of it now.
  if (statusCode === 404) throw new Refused(`${url} answers HTTP 404: ${await beginningOf(response)}`);
  if (from === 0 ? statusCode !== 200 : statusCode !== 206) {
    response.destroy();
    throw new Refused(`${url} answers HTTP ${statusCode} to a request from byte ${from} on`);
  }
  if (headers.etag !== undefined) seen(headers.etag);
  yield* response as AsyncIterable<Buffer>;
}

async function beginningOf(response: http.IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MOST_TEXT) break;
  }
  return text.slice(0, MOST_TEXT).trim() || 'it has no such file';
}

async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error) => {
      stream.off('drain', done).off('error', done).off('close', closed);
      if (error instanceof Error) reject(new Refused(error.message));
      else resolve();
    };
    const closed = () => done(new Error('the download was ended'));
    stream.once('drain', done).once('error', done).once('close', closed);
  });
}
