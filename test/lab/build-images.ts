// Builds the images of the lab, unless nothing that goes into them has changed. Started under a lock by labImages().
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const directory = join(root, 'node_modules/.cache/machinedb/images');
const stamp = join(directory, 'inputs');

const hash = createHash('sha256').update(readFileSync(join(root, 'dist/machinedb-agent')));
const sources = globSync('images/**/*', { cwd: root, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.test\.ts$|\.md$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));
for (const file of sources.sort()) hash.update(file.slice(root.length)).update(readFileSync(file));
const inputs = hash.digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== inputs) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const recipe of ['discovery', 'base-os']) {
    const args = ['build', recipe, '--directory', directory, '--name', `${recipe}-2026.11`, '--level', '3'];
    execFileSync(process.execPath, [join(root, 'images/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  }
  writeFileSync(stamp, inputs);
}
