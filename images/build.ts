import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageManifest } from '../shared/boot.ts';
import { buildRoot } from './base-os/build.ts';
import type { Suite } from './base-os/packages.ts';
import { buildDiscovery } from './discovery/build.ts';
import { buildDisk } from './disk/build.ts';
import { sealViolations } from './seal.ts';
import { run } from './tools.ts';

export const recipes = ['discovery', 'base-os'] as const;
export type Recipe = (typeof recipes)[number];

export interface BuildOptions {
  recipe: Recipe;
  name: string;
  /** Folder of images: the manifest goes to NAME.json, files to files/ by their SHA-256. */
  directory: string;
  /** The agent's executable. */
  agent: string;
  /** Folder for what is kept between builds. */
  cache: string;
  /** Level of zstd, 1 to 19. */
  level: number;
  /** Of base-os: the release of Debian, and packages besides. */
  suite: Suite;
  include: string[];
  now: () => number;
  log: (message: string) => void;
}

/** Free space of the root file system until it has grown to its disk. */
const SPARE_BYTES = 48 * 1024 * 1024;

/** Builds an image. Answers its manifest; what is not whole is not in the folder. Throws when the image is not sealed. */
export async function buildImage(options: BuildOptions): Promise<ImageManifest> {
  const { recipe, name, directory, agent, now, log } = options;
  mkdirSync(join(directory, 'files'), { recursive: true });
  const work = mkdtempSync(join(directory, 'build-'));
  try {
    const made = recipe === 'discovery' ? await discovery(options, work) : await baseOs(options, work);
    const manifest: ImageManifest = {
      name,
      kind: recipe === 'discovery' ? 'discovery' : 'disk',
      architecture: 'amd64',
      built_at: new Date(now()).toISOString(),
      ...made,
      agent: await digestOf(agent),
    };
    writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(manifest, null, 2)}\n`);
    log(`${name} is built`);
    return manifest;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

type Made = Pick<ImageManifest, 'files' | 'packages'>;

async function discovery({ agent, cache, level, directory, log }: BuildOptions, work: string): Promise<Made> {
  log('discovery image');
  const { kernel, initrd, loader, rescue, packages } = buildDiscovery({ out: work, agent, cache, level });
  const files = {
    kernel: await keep(directory, kernel),
    initrd: await keep(directory, initrd),
    loader: await keep(directory, loader),
    rescue: await keep(directory, rescue),
  };
  return { files, packages };
}

async function baseOs(
  { agent, name, level, directory, suite, include, log }: BuildOptions,
  work: string,
): Promise<Made> {
  const root = join(work, 'root');
  const packages = buildRoot({ root, agent, name, suite, include, initramfs: true, log });
  const violations = sealViolations(root);
  if (violations.length > 0)
    throw new Error(`the image is not sealed; it must not hold:\n  ${violations.join('\n  ')}`);
  log('disk');
  const raw = join(work, 'disk.raw');
  buildDisk(root, raw, work, SPARE_BYTES);
  rmSync(root, { recursive: true });
  const raw_sha256 = await digestOf(raw);
  const raw_size = statSync(raw).size;
  log('compression');
  run('zstd', ['-q', '--rm', '-T0', `-${level}`, raw, '-o', `${raw}.zst`]);
  const file = await keep(directory, `${raw}.zst`);
  return { files: { disk: { ...file, encoding: 'zstd', raw_sha256, raw_size } }, packages };
}

/** Moves a file to its place by content. */
async function keep(directory: string, file: string): Promise<{ sha256: string; size: number }> {
  const sha256 = await digestOf(file);
  const { size } = statSync(file);
  renameSync(file, join(directory, 'files', sha256));
  return { sha256, size };
}

/** SHA-256 of a file, hexadecimal. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
