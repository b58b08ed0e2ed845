import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageManifest } from '../shared/boot.ts';
import { digestOf } from './build.ts';
import { writeAt } from './disk/write-at.ts';
import { sealed, sealViolations } from './seal.ts';
import { run } from './tools.ts';

const MIB = 1024 * 1024;

/**
 * Checks that the files of an image are what its manifest says, and that a disk image is sealed.
 *
 * @param directory folder of images
 * @returns what is wrong, a line each; empty: nothing is
 */
export async function verifyImage(directory: string, manifest: ImageManifest): Promise<string[]> {
  const wrong: string[] = [];
  for (const [what, file] of Object.entries(manifest.files)) {
    const path = join(directory, 'files', file.sha256);
    if (!existsSync(path)) wrong.push(`${what}: ${path} is missing: copy it from where the image was built`);
    else if ((await digestOf(path)) !== file.sha256)
      wrong.push(`${what}: ${path} is damaged: its content is not what its name says`);
  }
  const { disk } = manifest.files;
  if (disk === undefined || wrong.length > 0) return wrong;
  return await verifyDisk(directory, disk);
}

async function verifyDisk(directory: string, disk: NonNullable<ImageManifest['files']['disk']>): Promise<string[]> {
  const work = mkdtempSync(join(directory, 'verify-'));
  try {
    const raw = join(work, 'disk.raw');
    run('zstd', ['-q', '-d', join(directory, 'files', disk.sha256), '-o', raw]);
    if ((await digestOf(raw)) !== disk.raw_sha256) return ['disk: what it unpacks to is not what the manifest says'];
    const root = join(work, 'root');
    unpack(raw, work, root);
    return sealViolations(root).map((violation) => `not sealed: ${violation}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Reads the folders that matter out of the root file system, without mounting it. */
function unpack(raw: string, work: string, root: string): void {
  const table = JSON.parse(run('sfdisk', ['-J', raw])) as {
    partitiontable: { partitions: { start: number; size: number; name?: string }[] };
  };
  const place = table.partitiontable.partitions.find(({ name }) => name === 'root');
  if (place === undefined) throw new Error('the disk has no partition named root');
  const image = join(work, 'root.img');
  const [from, to] = [openSync(raw, 'r'), openSync(image, 'w')];
  const piece = Buffer.alloc(MIB);
  for (let done = 0; done < place.size * 512; done += MIB) {
    const length = readSync(from, piece, 0, Math.min(MIB, place.size * 512 - done), place.start * 512 + done);
    writeAt(to, piece.subarray(0, length), done);
  }
  closeSync(from);
  closeSync(to);
  mkdirSync(root);
  for (const folder of sealed) run('debugfs', ['-R', `rdump /${folder} ${root}`, image]);
}
