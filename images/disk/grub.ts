import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT_LABEL } from '../../shared/boot.ts';
import { run } from '../tools.ts';
import { type Layout, SECTOR } from './layout.ts';

/** What GRUB looks for first: its configuration on the root file system. */
const early = `search --no-floppy --label ${ROOT_LABEL} --set=root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
exit
`;

const common = [
  'part_gpt',
  'ext2',
  'fat',
  'normal',
  'configfile',
  'search',
  'search_label',
  'search_fs_file',
  'linux',
  'echo',
  'serial',
  'terminal',
  'test',
  'all_video',
  'gzio',
];

/** GRUB's menu: one entry, on screen and serial console; a kernel that panics boots again. Paths are those of Debian's kernel package. */
export function grubConfig(): string {
  return `set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'Linux' {
  linux /vmlinuz root=LABEL=${ROOT_LABEL} ro console=tty0 console=ttyS0,115200 net.ifnames=1 panic=30
  initrd /initrd.img
}
`;
}

/** Makes GRUB for BIOS in `work`. Answers the paths of boot.img and core.img. */
export function makeBiosGrub(work: string): { boot: string; core: string } {
  return { boot: '/usr/lib/grub/i386-pc/boot.img', core: make(work, 'i386-pc', 'core.img', ['biosdisk']) };
}

/**
 * Makes GRUB for UEFI in `work`, as it lies on the disk. Started over the network it finds the disk just as well: firmware that is
 * told to go on to its next boot option may try the network in other ways for minutes first.
 */
export function makeUefiGrub(work: string): string {
  return make(work, 'x86_64-efi', 'BOOTX64.EFI', ['efi_gop', 'efi_uga']);
}

/** Makes GRUB for a CD or stick that a BIOS starts (El Torito). It finds its medium as Debian's signed one does. */
export function makeCdGrub(work: string): string {
  const medium = `search --no-floppy --set=root --file /.disk/info
set prefix=($root)/boot/grub
`;
  return make(work, 'i386-pc-eltorito', 'bios.img', ['biosdisk', 'iso9660', 'part_msdos'], medium);
}

function make(work: string, format: string, name: string, modules: string[], found = early): string {
  mkdirSync(work, { recursive: true });
  const config = join(work, 'early.cfg');
  writeFileSync(config, found);
  const out = join(work, name);
  run('grub-mkimage', ['-O', format, '-c', config, '-p', '/boot/grub', '-o', out, ...common, ...modules]);
  return out;
}

/**
 * Puts GRUB where a BIOS finds it: boot.img into the MBR, core.img into the BIOS boot partition, each told where the next
 * sectors are (GRUB, grub-core/boot/i386/pc/boot.S and diskboot.S).
 *
 * @param disk the first MiBs of the disk, changed in place; its partition table stays
 */
export function embedBiosGrub(disk: Buffer, { bios }: Layout, files: { boot: string; core: string }): void {
  const boot = readFileSync(files.boot);
  const core = Buffer.from(readFileSync(files.core));
  if (core.length > bios.size)
    throw new Error(`GRUB's core image has ${core.length} bytes, and its partition ${bios.size}`);
  const first = bios.start / SECTOR;
  boot.copy(disk, 0, 0, 0x1b8);
  disk.writeBigUInt64LE(BigInt(first), KERNEL_SECTOR);
  // No floppy probe: two NOPs instead of the jump past the forced boot drive.
  disk.writeUInt16LE(0x9090, DRIVE_CHECK);
  const sectors = Math.ceil(core.length / SECTOR);
  core.writeBigUInt64LE(BigInt(first + 1), BLOCK_LIST);
  core.writeUInt16LE(sectors - 1, BLOCK_LIST + 8);
  core.writeUInt16LE(KERNEL_SEGMENT, BLOCK_LIST + 10);
  core.copy(disk, bios.start);
}

const KERNEL_SECTOR = 0x5c;
const DRIVE_CHECK = 0x66;
/** The last entry of the list in the first sector of core.img. */
const BLOCK_LIST = SECTOR - 12;
const KERNEL_SEGMENT = 0x820;
