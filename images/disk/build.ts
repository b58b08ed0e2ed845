import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_LABEL } from '../../shared/boot.ts';
import { run } from '../tools.ts';
import { embedBiosGrub, grubConfig, makeBiosGrub, makeUefiGrub } from './grub.ts';
import { layoutOf, sfdiskScript } from './layout.ts';
import { writeAt } from './write-at.ts';

const MIB = 1024 * 1024;

/**
 * Makes a raw disk that boots by BIOS and UEFI out of a root folder, without loop devices or mounts.
 *
 * @param root folder of the system; the kernel is /vmlinuz in it
 * @param out file of the disk
 * @param work folder for what is made on the way
 * @param spareBytes free space of the root file system
 */
export function buildDisk(root: string, out: string, work: string, spareBytes: number): void {
  mkdirSync(join(root, 'boot/grub'), { recursive: true });
  writeFileSync(join(root, 'boot/grub/grub.cfg'), grubConfig());
  const used = Number(run('du', ['-sx', '--block-size=1', root]).split('\t')[0]);
  // ext4 itself takes a part: inodes, journal, bitmaps.
  const layout = layoutOf(Math.ceil((used * 1.06 + spareBytes + 32 * MIB) / MIB) * MIB);
  const disk = openSync(out, 'w+');
  try {
    ftruncateSync(disk, layout.size);
    run('sfdisk', ['-q', out], { input: sfdiskScript(layout) });
    const grub = join(work, 'grub');
    putPart(disk, layout.esp.start, makeEsp(join(work, 'esp.img'), layout.esp.size, makeUefiGrub(grub)));
    putPart(disk, layout.root.start, makeRoot(join(work, 'root.img'), layout.root.size, root));
    const head = Buffer.alloc(layout.esp.start);
    readSync(disk, head, 0, head.length, 0);
    embedBiosGrub(head, layout, makeBiosGrub(grub));
    writeAt(disk, head, 0);
  } finally {
    closeSync(disk);
  }
}

function makeEsp(file: string, size: number, efi: string): string {
  empty(file, size);
  run('mkfs.vfat', ['-F', '32', '-n', 'ESP', file]);
  run('mmd', ['-i', file, '::/EFI', '::/EFI/BOOT']);
  run('mcopy', ['-i', file, efi, '::/EFI/BOOT/BOOTX64.EFI']);
  return file;
}

function makeRoot(file: string, size: number, root: string): string {
  empty(file, size);
  // GRUB 2.06 does not read a file system whose checksum seed is stored apart.
  run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-L',
    ROOT_LABEL,
    '-O',
    '^metadata_csum_seed,^orphan_file',
    '-d',
    root,
    file,
  ]);
  return file;
}

function empty(file: string, size: number): void {
  rmSync(file, { force: true });
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** Copies a partition's file to its place on the disk; what is zero stays a hole. */
function putPart(disk: number, at: number, file: string): void {
  const part = openSync(file, 'r');
  const piece = Buffer.alloc(MIB);
  try {
    for (let done = 0; ; done += MIB) {
      const length = readSync(part, piece, 0, MIB, done);
      if (length === 0) break;
      const data = piece.subarray(0, length);
      if (!data.equals(zeros.subarray(0, length))) writeAt(disk, data, at + done);
    }
  } finally {
    closeSync(part);
    rmSync(file);
  }
}

const zeros = Buffer.alloc(MIB);
