import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { needPrograms, run } from '../tools.ts';
import { besideCloudInit, excluded, packages, packagesOf, type Suite } from './packages.ts';

export interface BaseOsOptions {
  /** Folder that becomes the root of the system. */
  root: string;
  /** The agent's executable. */
  agent: string;
  /** Name of the image: what os-release(5) says. */
  name: string;
  /** Release of Debian. */
  suite: Suite;
  /** Debian packages besides. */
  include: string[];
  /** Whether it gets an initramfs: that takes as long as half of its packages. */
  initramfs: boolean;
  log: (message: string) => void;
}

const programs = {
  mmdebstrap: 'mmdebstrap',
  sfdisk: 'fdisk',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mke2fs: 'e2fsprogs',
  zstd: 'zstd',
  'grub-mkimage': 'grub-common',
  '/usr/lib/grub/i386-pc/boot.img': 'grub-pc-bin',
  '/usr/lib/grub/x86_64-efi/kernel.img': 'grub-efi-amd64-bin',
};

/** Units that run on every node. */
const units = [
  'machinedb-agent',
  'machinedb-seed',
  'machinedb-recover',
  'machinedb-grow',
  'systemd-networkd',
  'systemd-resolved',
  'ssh',
];

/** Makes the system of base-os in a folder. Needs root. Answers its packages: name → version. */
export function buildRoot({
  root,
  agent,
  name,
  suite,
  include,
  initramfs,
  log,
}: BaseOsOptions): Record<string, string> {
  needPrograms(programs);
  if (process.getuid?.() !== 0)
    throw new Error('base-os is built as root: its files belong to root and to system users');
  rmSync(root, { recursive: true, force: true });
  log(`packages of ${suite}`);
  const all = [
    ...packages,
    ...packagesOf[suite],
    ...include,
    ...(include.includes('cloud-init') ? besideCloudInit : []),
  ];
  const options = ['--variant=minbase', `--include=${all.join(',')}`, '--aptopt=Acquire::Languages "none"'];
  const excludes = excluded.map((path) => `--dpkgopt=path-exclude=${path}`);
  // The kernel's package and a trigger would each make the same initramfs (kernel-img.conf(5), INITRD): it is made once, at the end.
  // What a build that dies leaves is thrown away, so that dpkg need not wait for the disk (dpkg(1), DPKG_FORCE).
  const env = { INITRD: 'No', DPKG_FORCE: 'unsafe-io' };
  // It mounts /proc and /sys below the root; when it is killed they must not stay, for whoever removes the root.
  const alone = ['--mount', '--propagation', 'private', 'mmdebstrap'];
  run('unshare', [...alone, ...options, ...excludes, '--skip=cleanup/reproducible', suite, root], { env });
  cpSync(join(import.meta.dirname, 'root'), root, { recursive: true });
  chmodSync(join(root, 'usr/lib/machinedb/grow-root'), 0o755);
  copyFileSync(agent, join(root, 'usr/bin/machinedb-agent'));
  chmodSync(join(root, 'usr/bin/machinedb-agent'), 0o755);
  if (initramfs) makeInitramfs(root);
  run('systemctl', [`--root=${root}`, 'enable', ...units]);
  const release = readFileSync(join(root, 'usr/lib/os-release'), 'utf8').trimEnd();
  writeFileSync(join(root, 'etc/os-release.new'), `${release}\nIMAGE_ID=${name}\n`);
  run('mv', ['-f', join(root, 'etc/os-release.new'), join(root, 'etc/os-release')]);
  clean(root);
  const list = run('dpkg-query', [`--root=${root}`, '-W', '-f', `\${Package}\t\${Version}\n`]);
  return Object.fromEntries(
    list
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
}

function makeInitramfs(root: string): void {
  for (const version of readdirSync(join(root, 'lib/modules'))) {
    run('chroot', [root, 'update-initramfs', '-c', '-k', version]);
    run('chroot', [root, 'linux-update-symlinks', 'install', version, `/boot/vmlinuz-${version}`]);
  }
}

/** Removes what must be of one machine only, or is of the build; the seal checks it. */
function clean(root: string): void {
  writeFileSync(join(root, 'etc/machine-id'), '');
  writeFileSync(join(root, 'etc/hostname'), 'localhost\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n');
  rmSync(join(root, 'etc/resolv.conf'), { force: true });
  run('ln', ['-s', '../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf')]);
  for (const pattern of [
    'etc/ssh/ssh_host_*',
    'var/lib/dbus/machine-id',
    'var/lib/systemd/random-seed',
    'var/lib/apt/lists',
    'var/cache/apt',
    'var/cache/debconf',
    'var/log',
    'root/.bash_history',
    'etc/apt/apt.conf.d/99mmdebstrap',
  ])
    run('sh', ['-c', `rm -rf -- "$1"/${pattern}`, 'sh', root]);
  for (const folder of [
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'var/log',
    'var/lib/machinedb-agent',
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(join(root, 'var/lib/machinedb-agent'), 0o700);
  if (!existsSync(join(root, 'vmlinuz')))
    throw new Error(`${root} has no /vmlinuz: the kernel package did not make it`);
}
