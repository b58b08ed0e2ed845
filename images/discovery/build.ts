import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpio, type Entry } from '../cpio.ts';
import { makeUefiGrub } from '../disk/grub.ts';
import { fetchKernel } from '../kernel.ts';
import { needPrograms, run } from '../tools.ts';
import { modules } from './modules.ts';
import { rescueEntries } from './rescue.ts';

export interface DiscoveryOptions {
  /** Folder that the kernel and initrd are written to. */
  out: string;
  /** The agent's executable. */
  agent: string;
  /** Folder in which the kernel is kept between builds. */
  cache: string;
  /** Level of zstd, 1 to 19. */
  level: number;
}

export interface Discovery {
  kernel: string;
  initrd: string;
  /** Part that a rescue unpacks over the initrd: the SSH server. */
  rescue: string;
  /** Starts the disk of an installed node on UEFI. */
  loader: string;
  packages: Record<string, string>;
}

const programs = {
  ...{ zstd: 'zstd', busybox: 'busybox-static', depmod: 'kmod', 'apt-get': 'apt', ldd: 'libc-bin' },
  'grub-mkimage': 'grub-common',
  '/usr/lib/grub/x86_64-efi/kernel.img': 'grub-efi-amd64-bin',
};

/**
 * Builds the discovery image: Debian's kernel, an initramfs with busybox, the drivers and the agent, and a part with the SSH
 * server that a rescue adds to it. The same inputs give the same bytes.
 */
export function buildDiscovery({ out, agent, cache, level }: DiscoveryOptions): Discovery {
  needPrograms(programs);
  const kernel = fetchKernel(cache);
  const entries: Entry[] = [
    ...['proc', 'sys', 'dev', 'run', 'tmp', 'sbin', 'etc'].map(
      (path): Entry => ({ kind: 'folder', path, mode: 0o755 }),
    ),
    { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    file('/bin/busybox', 'bin/busybox', 0o755),
    // The kernel itself calls it: a file system's checksum is a module.
    { kind: 'link', path: 'sbin/modprobe', target: '/bin/busybox' },
    file(agent, 'bin/machinedb-agent', 0o755),
    file(join(import.meta.dirname, 'init'), 'init', 0o755),
    file(join(import.meta.dirname, 'lease'), 'lease', 0o755),
    ...libraries(agent),
    ...drivers(kernel.folder, kernel.version),
  ];
  const initrd = pack(join(out, 'initrd'), entries, level);
  const present = new Set(entries.map(({ path }) => path));
  const rescue = rescueEntries(cache);
  const added = rescue.entries.filter(({ path }) => !present.has(path));
  copyFileSync(join(kernel.folder, 'boot', `vmlinuz-${kernel.version}`), join(out, 'kernel'));
  const busybox = run('dpkg-query', ['-W', '-f', `\${Version}`, 'busybox-static']).trim();
  return {
    kernel: join(out, 'kernel'),
    initrd,
    rescue: pack(join(out, 'rescue'), added, level),
    loader: makeUefiGrub(join(out, 'grub')),
    packages: { [kernel.package.name]: kernel.package.version, 'busybox-static': busybox, ...rescue.packages },
  };
}

function pack(path: string, entries: Entry[], level: number): string {
  writeFileSync(`${path}.cpio`, cpio(entries));
  // One thread: the output of several depends on their number.
  run('zstd', ['-q', '-f', '--rm', `-${level}`, `${path}.cpio`, '-o', path]);
  return path;
}

function file(from: string, path: string, mode: number): Entry {
  return { kind: 'file', path, mode, data: readFileSync(from) };
}

function libraries(executable: string): Entry[] {
  const paths = [...run('ldd', [executable]).matchAll(/\/\S+/g)].map(([path]) => path);
  return [...new Set(paths)].map((path) => file(path, path.slice(1), 0o755));
}

/** The drivers with all that they need, and the lists by which modprobe finds them. */
function drivers(folder: string, version: string): Entry[] {
  const base = `lib/modules/${version}`;
  const wanted = new Set<string>();
  for (const module of modules) {
    for (const line of dependencies(folder, version, module)) wanted.add(line);
  }
  const paths = [...wanted].sort();
  const lists = ['modules.order', 'modules.builtin', 'modules.builtin.modinfo'];
  const entries = [...paths, ...lists.map((list) => join(folder, base, list))].map((path) =>
    file(path, path.slice(folder.length).replace(/^\/+/, ''), 0o644),
  );
  return [...entries, ...indexes(folder, version, new Set(paths.map((path) => path.split('/').at(-1)!)))];
}

function dependencies(folder: string, version: string, module: string): string[] {
  try {
    const lines = run('modprobe', ['-d', folder, '-S', version, '--show-depends', module]);
    return [...lines.matchAll(/^insmod (\S+)/gm)].map(([, path]) => path!.replace('//', '/'));
  } catch {
    // This kernel has it built in, or not at all.
    return [];
  }
}

/** modules.dep and modules.alias of the whole kernel, without what is not in the image. */
function indexes(folder: string, version: string, kept: Set<string>): Entry[] {
  const read = (name: string) => readFileSync(join(folder, 'lib/modules', version, name), 'utf8').split('\n');
  const names = new Set([...kept].map((name) => name.replace(/\.ko.*$/, '').replaceAll('-', '_')));
  const dep = read('modules.dep').filter((line) => kept.has(line.split(':')[0]!.split('/').at(-1)!));
  const alias = read('modules.alias').filter((line) => line.startsWith('#') || names.has(line.split(' ').at(-1)!));
  const entry = (name: string, lines: string[]): Entry => ({
    kind: 'file',
    path: `lib/modules/${version}/${name}`,
    mode: 0o644,
    data: Buffer.from(`${lines.join('\n')}\n`),
  });
  return [entry('modules.dep', dep), entry('modules.alias', alias)];
}
