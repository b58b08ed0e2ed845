import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Change } from './change.ts';

/**
 * Writes changed files below a folder of their own, so that a tool can read them before they are in their places, and removes
 * it. Errors name the files by their real paths.
 *
 * @param scratch path to make the folder after
 */
export function inScratch<T>(scratch: string, changes: Change[], use: (folder: string) => T): T {
  mkdirSync(dirname(scratch), { recursive: true });
  const folder = mkdtempSync(scratch);
  try {
    for (const { path, after, mode } of changes) if (after !== undefined) putInScratch(folder, path, after, mode);
    chmodSync(folder, 0o755);
    return use(folder);
  } catch (error) {
    throw new Error((error as Error).message.replaceAll(folder, ''));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes one more file below the folder. */
export function putInScratch(folder: string, path: string, text: string, mode: number): void {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
}
