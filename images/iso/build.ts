import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ImageManifest } from '../../shared/boot.ts';
import { cpio } from '../cpio.ts';
import { makeCdGrub } from '../disk/grub.ts';
import { needPrograms, run } from '../tools.ts';
import { verifyImage } from '../verify.ts';

/** What a machine that boots by a medium is told by it, and by PXE would be told by the boot service. */
export interface Told {
  /** https://HOST:PORT of the service. */
  url: string;
  /** SHA-256 of the public keys of its CAs. */
  pins: string[];
  /** http://HOST:PORT/files of the boot service: images to install come from there. */
  files: string;
  /** Approves the machines that boot it. */
  joinToken?: string | undefined;
}

export interface IsoOptions {
  manifest: ImageManifest;
  /** Folder of images. */
  directory: string;
  told: Told;
  /** Words for the kernel besides the usual ones; each is a kernelArgument. */
  arguments: string[];
  out: string;
}

const programs = {
  ...{ xorriso: 'xorriso', 'mkfs.vfat': 'dosfstools', mcopy: 'mtools', 'grub-mkimage': 'grub-common' },
  '/usr/lib/grub/i386-pc/boot_hybrid.img': 'grub-pc-bin',
  '/usr/lib/shim/shimx64.efi.signed': 'shim-signed',
  '/usr/lib/shim/mmx64.efi.signed': 'shim-helpers-amd64-signed',
  '/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed': 'grub-efi-amd64-signed',
};
const EFI_KIB = 8192;

/**
 * Makes a medium that boots the discovery image: by BIOS and UEFI, as a CD or a stick, also with Secure Boot. The same inputs give
 * the same bytes. What it is told lies in an initramfs of its own, not on the kernel's command line, which every user of a
 * machine can read. The file is for its owner alone: it may hold a join token.
 */
export async function buildIso({ manifest, directory, told, arguments: more, out }: IsoOptions): Promise<void> {
  needPrograms(programs);
  const { kernel, initrd } = manifest.files;
  if (kernel === undefined || initrd === undefined)
    throw new Error(`${manifest.name} is no discovery image: machinedb image build discovery makes one`);
  const wrong = await verifyImage(directory, manifest);
  if (wrong.length > 0) throw new Error(`${manifest.name} is not good:\n  ${wrong.join('\n  ')}`);
  const work = mkdtempSync(join(directory, 'iso-'));
  const seconds = Math.floor(Date.parse(manifest.built_at) / 1000);
  const env = { SOURCE_DATE_EPOCH: String(seconds) };
  try {
    const tree = join(work, 'tree');
    const put = (path: string, from: string) => {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      copyFileSync(from, join(tree, path));
    };
    const write = (path: string, data: string | Buffer) => {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), data);
    };
    // Debian's signed GRUB for CDs looks for a medium with this file.
    write('.disk/info', `MachineDB ${manifest.name}\n`);
    write('boot/grub/grub.cfg', config(more));
    write('boot/told', cpio(toldEntries(told, seconds)));
    put('boot/kernel', join(directory, 'files', kernel.sha256));
    put('boot/initrd', join(directory, 'files', initrd.sha256));
    put('boot/grub/bios.img', makeCdGrub(join(work, 'grub')));
    put('boot/grub/efi.img', makeEfi(work, env));
    for (const path of run('find', [tree, '-depth']).trim().split('\n')) utimesSync(path, seconds, seconds);
    const iso = join(work, 'iso');
    writeFileSync(iso, '', { mode: 0o600 });
    run('xorriso', [...xorriso, '-o', iso, tree], { env });
    rmSync(out, { force: true });
    copyFileSync(iso, out);
    chmodSync(out, 0o600);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** El Torito for BIOS and UEFI; the same as partitions for a stick (xorrisofs(1)). */
const xorriso = [
  ...['-as', 'mkisofs', '-quiet', '-volid', 'MACHINEDB', '-rational-rock', '-iso-level', '3'],
  ...['-eltorito-boot', 'boot/grub/bios.img', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'],
  ...['--grub2-boot-info', '--grub2-mbr', '/usr/lib/grub/i386-pc/boot_hybrid.img', '--protective-msdos-label'],
  ...['-eltorito-alt-boot', '-e', 'boot/grub/efi.img', '-no-emul-boot', '-efi-boot-part', '--efi-boot-image'],
];

/** An initramfs beside the image's: the kernel unpacks it over that (Linux, Documentation/driver-api/early-userspace). */
/** @param builtAt of the image, seconds since 1970: a clock that says less, or ten years more, is set to it */
function toldEntries({ url, pins, files, joinToken }: Told, builtAt: number) {
  const all = {
    url,
    pin: pins.join(','),
    files,
    time: String(builtAt),
    ...(joinToken === undefined ? {} : { 'join-token': joinToken }),
  };
  return Object.entries(all).map(([name, text]) => ({
    ...({ kind: 'file', path: `etc/machinedb/${name}`, mode: 0o600 } as const),
    data: Buffer.from(`${text}\n`),
  }));
}

function config(more: string[]): string {
  const words = ['quiet', 'console=tty0', 'console=ttyS0,115200', 'panic=30', 'machinedb.medium=1', ...more];
  return `serial --unit=0 --speed=115200
terminal_output console serial
set timeout=0
menuentry 'MachineDB: this machine is looked at' {
  linux /boot/kernel ${words.map((word) => `'${word}'`).join(' ')}
  initrd /boot/initrd /boot/told
}
`;
}

/** The EFI system partition: shim, and beside it what it starts. */
function makeEfi(work: string, env: Record<string, string>): string {
  const image = join(work, 'efi.img');
  run('mkfs.vfat', ['--invariant', '-C', '-n', 'EFI', image, String(EFI_KIB)], { env });
  run('mmd', ['-i', image, '::/EFI', '::/EFI/BOOT'], { env });
  for (const [name, from] of [
    ['BOOTX64.EFI', '/usr/lib/shim/shimx64.efi.signed'],
    ['grubx64.efi', '/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed'],
    ['mmx64.efi', '/usr/lib/shim/mmx64.efi.signed'],
  ] as const)
    run('mcopy', ['-i', image, from, `::/EFI/BOOT/${name}`], { env });
  return image;
}
