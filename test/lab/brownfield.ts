import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from './site.ts';

const MIB = 1024 * 1024;

/** What the system on a brownfield disk says on the serial console. */
export const BROWNFIELD = 'LAB the system that was here before';

/** Puts a system of its own on a disk: a GPT, an EFI system partition, and in it a program that says who it is. */
export function writeBrownfield(site: Site, disk: string): void {
  const at = (name: string) => join(site.directory, name);
  writeFileSync(at('brownfield.cfg'), `serial --unit=0\nterminal_output serial\necho "${BROWNFIELD}"\nsleep 600\n`);
  const modules = ['part_gpt', 'fat', 'normal', 'echo', 'serial', 'terminal', 'sleep'];
  const run = (program: string, args: string[], input = '') =>
    execFileSync(program, args, { input, stdio: ['pipe', 'pipe', 'pipe'] });
  run('grub-mkimage', [
    '-O',
    'x86_64-efi',
    '-c',
    at('brownfield.cfg'),
    '-p',
    '/',
    '-o',
    at('brownfield.efi'),
    ...modules,
  ]);
  run(
    '/sbin/sfdisk',
    ['-q', disk],
    `label: gpt\nstart=${MIB / 512}, size=${(64 * MIB) / 512}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n`,
  );
  run('truncate', ['-s', String(64 * MIB), at('brownfield.esp')]);
  run('/sbin/mkfs.vfat', ['-F', '32', at('brownfield.esp')]);
  run('mmd', ['-i', at('brownfield.esp'), '::/EFI', '::/EFI/BOOT']);
  run('mcopy', ['-i', at('brownfield.esp'), at('brownfield.efi'), '::/EFI/BOOT/BOOTX64.EFI']);
  run('dd', [`if=${at('brownfield.esp')}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none']);
}
