// Builds the images of the lab, unless nothing that goes into them has changed, and prints their folder; with the word
// `folder` it only prints that. Started under a lock by images.ts.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DAY_MS = 86_400_000;
const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/machinedb/images');

const hash = createHash('sha256').update(readFileSync(join(root, 'dist/machinedb-agent')));
const sources = globSync('images/**/*', { cwd: root, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.test\.ts$|\.md$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));
for (const file of sources.sort()) hash.update(file.slice(root.length)).update(readFileSync(file));
const directory = join(cache, hash.digest('hex').slice(0, 16));
const stamp = join(directory, 'built');
if (process.argv[2] === 'folder') mkdirSync(directory, { recursive: true });
else if (!existsSync(stamp)) {
  // What other inputs made may be in use by another run, but not for a day.
  for (const other of globSync('*', { cwd: cache }).map((name) => join(cache, name)))
    if (statSync(other).mtimeMs < Date.now() - DAY_MS) rmSync(other, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const recipe of ['discovery', 'base-os']) {
    const args = ['build', recipe, '--directory', directory, '--name', `${recipe}-2026.11`, '--level', '3'];
    execFileSync(process.execPath, [join(root, 'images/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  }
  writeFileSync(stamp, '');
}
process.stdout.write(directory);
