import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, test, vi } from 'vitest';

const folder = join(import.meta.dirname, '../../../shared/fixtures');
const present = existsSync(folder);
if (!present) console.warn(`captured machines are not at ${folder}: tests that need them are skipped`);

/** `test` for what needs the captured machines of ../shared/fixtures; skipped, with a warning, where they are not. */
export const testCaptured = test.skipIf(!present);

/** Path of a file among the captured machines. */
export const fixturePath = (name: string): string => join(folder, name);

// Ten thousand small files: 0.2 s in memory, 12 s on some disks. Containers have only 64 MB there.
function roomy(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize > 1024 ** 3;
}

const unpacked = new Map<string, string>();
vi.setConfig({ testTimeout: 120_000 });

let home: string | undefined;
afterAll(() => {
  if (home !== undefined) rmSync(home, { recursive: true });
});

/**
 * Unpacks a captured machine (`hwloc/16amd64-8n2c.tar.bz2`), once per test file.
 * @returns the folder that holds its proc and sys; removed when the tests end
 */
export function fixture(name: string): string {
  const known = unpacked.get(name);
  if (known !== undefined) return known;
  home ??= mkdtempSync(join(roomy('/dev/shm') ? '/dev/shm' : tmpdir(), 'machinedb-fixture-'));
  const into = join(home, basename(name));
  mkdirSync(into);
  execFileSync('tar', ['-xf', fixturePath(name), '-C', into]);
  const [only, ...rest] = readdirSync(into);
  const root = only !== undefined && rest.length === 0 ? join(into, only) : into;
  unpacked.set(name, root);
  return root;
}
