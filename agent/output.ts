import { writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;

/**
 * Prints all of a text before it returns: `process.exit` drops what a stream still holds for a pipe whose reader is slow. A
 * reader that has gone away wants no more.
 */
export function printText(text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      // Whoever shares the pipe made it one that does not wait.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
