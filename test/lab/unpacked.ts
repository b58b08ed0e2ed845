import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../program.ts';

const cache = join(root, 'node_modules/.cache/machinedb-packages');

/**
 * The root of a Debian package's files and of others that it needs, unpacked and not installed: to install a server starts it, on
 * the machine's own network. Downloaded once. Throws when it cannot be had.
 */
export function unpacked(name: string, ...others: string[]): string {
  const target = join(cache, name);
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'new-'));
  try {
    const run = (...args: string[]) =>
      execFileSync('apt-get', args, { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      run('download', '-q', name, ...others);
    } catch {
      // The lists are older than what the mirror has.
      run('update', '-q');
      run('download', '-q', name, ...others);
    }
    execFileSync('sh', ['-c', 'for file in *.deb; do dpkg -x "$file" files; done'], { cwd: work });
    // Two test files may be at it together: whose comes second finds the folder taken, and has the same in it.
    if (!existsSync(target)) renameSync(join(work, 'files'), target);
  } catch (error) {
    throw new Error(`package ${name} cannot be had (${(error as Error).message}): is there a way to a Debian mirror?`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}
