import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageManifest } from '../../shared/boot.ts';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb');

export interface LabImages {
  /** Folder of images, as MACHINEDB_IMAGES names it. */
  directory: string;
  discovery: ImageManifest;
  baseOs: ImageManifest;
}

/** Both images, built by the builder as the command line starts it; kept as long as nothing that goes into them changes. */
export function labImages(): LabImages {
  mkdirSync(cache, { recursive: true });
  const build = [process.execPath, join(import.meta.dirname, 'build-images.ts')];
  // Test files run beside each other: one builds, the others wait.
  const lock = join(cache, 'images.lock');
  const directory = execFileSync('flock', [lock, ...build], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  const read = (name: string) => JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as ImageManifest;
  return { directory, discovery: read('discovery-2026.11'), baseOs: read('base-os-2026.11') };
}
