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

let known: LabImages | undefined;

/** Both images, built by the builder as the command line starts it; kept as long as nothing that goes into them changes. */
export function labImages(): LabImages {
  if (known !== undefined) return known;
  const directory = inFolder([]);
  const read = (name: string) => JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as ImageManifest;
  known = { directory, discovery: read('discovery-2026.11'), baseOs: read('base-os-2026.11') };
  return known;
}

/** Where they are or will be: a site can open before they are built. */
export const labImagesFolder = () => inFolder(['folder']);

function inFolder(words: string[]): string {
  mkdirSync(cache, { recursive: true });
  const build = [process.execPath, join(import.meta.dirname, 'build-images.ts'), ...words];
  // Test files run beside each other: one builds, the others wait.
  const lock = words.length === 0 ? ['flock', join(cache, 'images.lock'), ...build] : build;
  const [program, ...args] = lock;
  return execFileSync(program!, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
}
