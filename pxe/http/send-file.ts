import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

/** Bytes read and sent at a time. */
const PIECE = 256 * 1024;

/** Buffers that were used and are used again: fresh ones cost more time than what they carry. */
const spare: Buffer[] = [];
const MOST_SPARE = 256;

const take = () => spare.pop() ?? Buffer.allocUnsafeSlow(PIECE);
const give = (buffer: Buffer) => {
  if (spare.length < MOST_SPARE) spare.push(buffer);
};

/**
 * Sends bytes `start` to `end` of an open file, by two buffers in turn: one is read while the other goes out. Ends early, and
 * the connection with it, when the client goes away or leaves a piece lying for longer than `patienceMs`.
 */
export async function sendFile(
  file: FileHandle,
  response: ServerResponse,
  { start, end }: { start: number; end: number },
  patienceMs: number,
): Promise<void> {
  const { promise: gone, resolve: close } = Promise.withResolvers<false>();
  const closed = () => close(false);
  response.once('close', closed);
  const timer = setTimeout(() => response.destroy(), patienceMs);
  const buffers = [take(), take()];
  let going: Promise<boolean> = Promise.resolve(true);
  try {
    for (let at = start, turn = 0; at <= end; turn ^= 1) {
      const length = Math.min(PIECE, end - at + 1);
      const { bytesRead } = await file.read(buffers[turn]!, 0, length, at);
      // What was announced cannot be kept: the client must see that it did not get the whole.
      if (bytesRead === 0) response.destroy();
      if (!(await going)) return;
      timer.refresh();
      going = Promise.race([write(response, buffers[turn]!.subarray(0, bytesRead)), gone]);
      at += bytesRead;
    }
    if (!(await going)) return;
    response.end();
    for (const buffer of buffers) give(buffer);
  } finally {
    clearTimeout(timer);
    response.off('close', closed);
  }
}

/** Resolves when the kernel has taken the bytes, so that their buffer may be used again; false: it never will. */
function write(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if (response.destroyed) resolve(false);
  else response.write(bytes, (error) => resolve(error === undefined || error === null));
  return promise;
}

/** SHA-256 of an open file, hexadecimal. */
export async function digestOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const buffer = take();
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, PIECE, at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  give(buffer);
  return hash.digest('hex');
}
