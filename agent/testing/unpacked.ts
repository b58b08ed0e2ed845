import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb/unpacked');

/**
 * Folder with Debian packages unpacked together, not installed: a package that configures a network must not do so here. Fetched
 * once, then kept.
 */
export function unpacked(...packages: string[]): string {
  const folder = join(cache, nameOf(packages.join('+')));
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    execFileSync('apt-get', ['download', '-q', ...packages], { cwd: work, stdio: 'pipe' });
    for (const deb of globSync('*.deb', { cwd: work }))
      execFileSync('dpkg', ['-x', join(work, deb), join(work, 'all')]);
    renameSync(join(work, 'all'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** A file's name has at most 255 bytes. */
const nameOf = (text: string) =>
  text.length < 200 ? text : `${text.slice(0, 100)}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
