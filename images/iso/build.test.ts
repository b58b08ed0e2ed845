import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import { buildIso, type Told } from './build.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-iso-'));
afterAll(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, 'files'));

function file(text: string): { sha256: string; size: number } {
  const sha256 = createHash('sha256').update(text).digest('hex');
  writeFileSync(join(directory, 'files', sha256), text);
  return { sha256, size: text.length };
}

const manifest: ImageManifest = {
  ...{ name: 'discovery-2026.11', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-22T05:00:00Z' },
  files: { kernel: file('the kernel'), initrd: file('the initramfs') },
  ...{ agent: 'a'.repeat(64), packages: {} },
};
const told: Told = {
  url: 'https://10.77.0.1:4280',
  pins: ['b'.repeat(64), 'c'.repeat(64)],
  files: 'http://10.77.0.1:4281/files',
  joinToken: 'mdbj_secret',
};
const build = async (name: string, more: Partial<Parameters<typeof buildIso>[0]> = {}) => {
  const out = join(directory, name);
  await buildIso({ manifest, directory, told, arguments: ['vlan=100'], out, ...more });
  return out;
};
const output = (program: string, args: string[], cwd = directory) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

test('the medium built twice is the same bytes, and its owner’s alone', async () => {
  const one = await build('one.iso');
  // Neither the hour of its making nor that of a file's is in it, down to the two seconds of FAT.
  await setTimeout(2100);
  const two = await build('two.iso');
  expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
  expect(statSync(one).mode & 0o777).toBe(0o600);
  const other = await build('other.iso', { told: { ...told, joinToken: 'mdbj_other' } });
  expect(readFileSync(one).equals(readFileSync(other))).toBe(false);
});

test('BIOS and UEFI find it as a CD and as a stick, and Secure Boot finds what is signed', async () => {
  const iso = await build('boot.iso');
  const records = output('xorriso', ['-indev', iso, '-report_el_torito', 'plain']);
  expect(records).toMatch(/El Torito boot img :\s+1\s+BIOS\s+y\s+none/);
  expect(records).toMatch(/El Torito boot img :\s+2\s+UEFI\s+y\s+none/);
  const { partitiontable } = JSON.parse(output('/sbin/sfdisk', ['-J', iso])) as {
    partitiontable: { label: string; partitions: { start: number; type: string }[] };
  };
  const esp = partitiontable.partitions.find(({ type }) => type === 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B');
  const image = `${iso}@@${esp!.start * 512}`;
  for (const [name, from] of [
    ['BOOTX64.EFI', '/usr/lib/shim/shimx64.efi.signed'],
    ['grubx64.efi', '/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed'],
  ] as const) {
    output('mcopy', ['-n', '-i', image, `::/EFI/BOOT/${name}`, name]);
    expect(readFileSync(join(directory, name)).equals(readFileSync(from))).toBe(true);
  }
});

test('it carries the image, and in an initramfs of its own where the service is, its pins and the join token', async () => {
  const iso = await build('content.iso');
  const out = join(directory, 'content');
  output('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/', out]);
  const read = (path: string) => readFileSync(join(out, path), 'utf8');
  expect([read('boot/kernel'), read('boot/initrd')]).toEqual(['the kernel', 'the initramfs']);
  const config = read('boot/grub/grub.cfg');
  expect(config).toContain(
    "linux /boot/kernel 'quiet' 'console=tty0' 'console=ttyS0,115200' 'panic=30' 'machinedb.medium=1' 'vlan=100'\n  initrd /boot/initrd /boot/told\n",
  );
  expect(output('grub-script-check', [join(out, 'boot/grub/grub.cfg')])).toBe('');
  // /proc/cmdline is for every user to read.
  expect(config).not.toContain('mdbj_');
  const unpacked = join(directory, 'told');
  mkdirSync(unpacked);
  execFileSync('cpio', ['-i', '--quiet'], { cwd: unpacked, input: readFileSync(join(out, 'boot/told')) });
  const all = ['url', 'pin', 'files', 'time', 'join-token'].map((name) => join(unpacked, 'etc/machinedb', name));
  expect(all.map((path) => readFileSync(path, 'utf8').trim())).toEqual([
    ...['https://10.77.0.1:4280', `${'b'.repeat(64)},${'c'.repeat(64)}`, 'http://10.77.0.1:4281/files'],
    ...[String(Date.parse('2026-11-22T05:00:00Z') / 1000), 'mdbj_secret'],
  ]);
  expect(all.map((path) => statSync(path).mode & 0o777)).toEqual(all.map(() => 0o600));
});

test('of a damaged image, or of one that is not for discovery, no medium is made', async () => {
  const damaged = { ...manifest, files: { ...manifest.files, kernel: { sha256: 'd'.repeat(64), size: 1 } } };
  writeFileSync(join(directory, 'files', 'd'.repeat(64)), 'x');
  await expect(build('none.iso', { manifest: damaged })).rejects.toThrow(
    /^discovery-2026\.11 is not good:\n {2}kernel: .* is damaged/,
  );
  await expect(build('none.iso', { manifest: { ...manifest, files: {} } })).rejects.toThrow(
    'discovery-2026.11 is no discovery image',
  );
});
