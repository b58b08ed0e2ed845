import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { writeFileDurably } from '../durable-file.ts';

/** Makes what was written into the directory (names, renames) survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** The password in the file, or undefined when there is none. */
export function readPassword(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Draws a password (192 bits, safe in a URL) and stores it, mode 0600, before anything depends on it. */
export function makePassword(path: string): string {
  const password = randomBytes(24).toString('base64url');
  writeFileDurably(path, `${password}\n`, 0o600);
  return password;
}
