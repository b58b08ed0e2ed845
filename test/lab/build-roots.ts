// Builds the root file system of a release of Debian for the network lab, unless nothing that goes into it has changed, and prints
// its folder. Started under a lock by rootOf(). The agent is put in later: it changes more often.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildRoot } from '../../images/base-os/build.ts';
import { packagesOf, type Suite } from '../../images/base-os/packages.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/machinedb/roots');
/** What configures networks besides systemd-networkd, and of the newest release what BGP needs. */
const include = ['netplan.io', 'ifupdown', 'isc-dhcp-client'];
const bgp: Partial<Record<Suite, string[]>> = { trixie: ['frr', 'frr-pythontools'] };
const BYTES = 2 * 1024 ** 3;
/** How a kernel's payload begins → what unpacks it. */
const unpackers = { fd377a585a: 'xz', '28b52ffd': 'zstd' };

const hash = createHash('sha256').update(readFileSync(import.meta.filename));
for (const file of globSync('images/base-os/**/*', { cwd: root, withFileTypes: true }).sort((a, b) =>
  a.name < b.name ? -1 : 1,
))
  if (file.isFile()) hash.update(readFileSync(join(file.parentPath, file.name)));
const directory = join(cache, hash.digest('hex').slice(0, 16));
const suite = process.argv[2] as Suite;
if (!(suite in packagesOf)) throw new Error(`the release ${suite} is none of ${Object.keys(packagesOf).join(', ')}`);
const out = join(directory, suite);
if (!existsSync(join(out, 'built'))) {
  for (const other of globSync('*', { cwd: cache }).map((name) => join(cache, name)))
    if (other !== directory) rmSync(other, { recursive: true, force: true });
  build(suite, out);
}
process.stdout.write(out);

function build(suite: Suite, out: string): void {
  const tree = join(out, 'root');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const agent = join(out, 'no-agent');
  writeFileSync(agent, '#!/bin/sh\nexit 1\n');
  const log = (message: string) => process.stderr.write(`${suite}: ${message}\n`);
  const packages = [...include, ...(bgp[suite] ?? [])];
  // The lab brings an initramfs of its own.
  buildRoot({ root: tree, agent, name: `base-os-${suite}`, suite, include: packages, initramfs: false, log });
  writeFileSync(join(out, 'vmlinux'), kernelIn(readFileSync(join(tree, 'vmlinuz'))));
  makeInitrd(tree, join(out, 'initrd.img'));
  makeDisk(tree, join(out, 'root.img'));
  log('ifupdown2');
  install(tree, 'ifupdown2');
  makeDisk(tree, join(out, 'ifupdown2.img'));
  rmSync(tree, { recursive: true });
  writeFileSync(join(out, 'built'), '');
}

function makeDisk(tree: string, image: string): void {
  writeFileSync(image, '');
  truncateSync(image, BYTES);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'machinedb-root', '-d', tree, image]);
}

/** Installs a package, and what goes with it, in the tree: from its own sources, by this machine's way to them (apt.conf(5)). */
function install(tree: string, name: string): void {
  const there = [
    `Dir=${tree}`,
    `DPkg::Chroot-Directory=${tree}`,
    'Acquire::Languages=none',
    'APT::Architectures=amd64',
  ];
  const options = ['-qq', '-y', '--no-install-recommends', ...there.flatMap((option) => ['-o', option])];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const words of [['update'], ['install', name], ['clean']])
    execFileSync('apt-get', [...options, ...words], { stdio: ['ignore', 'ignore', 'inherit'], env });
  rmSync(join(tree, 'var/lib/apt/lists'), { recursive: true });
}

/** An initramfs with what finds the lab's disk and nothing else: an emulated processor takes long for what others need. */
function makeInitrd(tree: string, initrd: string): void {
  const folder = join(tree, 'lab-initramfs');
  cpSync(join(tree, 'etc/initramfs-tools'), folder, { recursive: true });
  const conf = readFileSync(join(folder, 'initramfs.conf'), 'utf8');
  writeFileSync(join(folder, 'initramfs.conf'), `${conf}\nMODULES=list\nCOMPRESS=gzip\n`);
  writeFileSync(join(folder, 'modules'), 'virtio_pci\nvirtio_blk\next4\n');
  const [version] = readdirSync(join(tree, 'lib/modules'));
  execFileSync('chroot', [tree, 'mkinitramfs', '-d', '/lab-initramfs', '-o', '/lab-initrd', version!]);
  copyFileSync(join(tree, 'lab-initrd'), initrd);
  for (const path of [folder, join(tree, 'lab-initrd')]) rmSync(path, { recursive: true });
}

/**
 * The kernel in a bzImage, as an ELF file: QEMU starts it by its PVH entry, and no emulated processor has to unpack it, which is
 * half of what a kernel does until its first process (Documentation/arch/x86/boot.rst, payload_offset and payload_length).
 */
function kernelIn(image: Buffer): Buffer {
  const begin = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248);
  // The last four bytes say how long it will be.
  const payload = image.subarray(begin, begin + image.readUInt32LE(0x24c) - 4);
  const [, unpacker] =
    Object.entries(unpackers).find(([magic]) => payload.toString('hex', 0, magic.length / 2) === magic) ?? [];
  if (unpacker === undefined)
    throw new Error(`a kernel that begins with ${payload.toString('hex', 0, 6)} is packed by none of ours`);
  return execFileSync(unpacker, ['-dc'], { input: payload, maxBuffer: 256 * 1024 ** 2 });
}
