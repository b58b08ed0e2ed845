import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageManifest } from '../../shared/boot.ts';

const root = join(import.meta.dirname, '../..');

export interface LabImages {
  /** Folder of images, as MACHINEDB_IMAGES names it. */
  directory: string;
  discovery: ImageManifest;
  baseOs: ImageManifest;
}

/** Both images, built by the builder as the command line starts it; kept as long as nothing that goes into them changes. */
export function labImages(): LabImages {
  const hash = createHash('sha256').update(readFileSync(join(root, 'dist/machinedb-agent')));
  for (const file of globSync('images/**/*', { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.ts$|\.md$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file.slice(root.length)).update(readFileSync(file));
  const directory = join(root, 'node_modules/.cache/machinedb/images');
  const stamp = join(directory, 'inputs');
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
  const read = (name: string) => JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as ImageManifest;
  return { directory, discovery: read('discovery-2026.11'), baseOs: read('base-os-2026.11') };
}
