import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb');
const usual = ['virtio_pci', 'virtio_net', 'nvme', 'e1000e'];

function run(command: string, args: string[], cwd?: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A folder with Debian's kernel unpacked; fetched once, then kept in node_modules/.cache. */
function openKernel(): { folder: string; version: string } {
  const folder = join(cache, 'kernel');
  if (!existsSync(folder)) fetchKernel(folder);
  const version = globSync('vmlinuz-*', { cwd: join(folder, 'boot') })[0]!.replace('vmlinuz-', '');
  return { folder, version };
}

/** Nothing is installed; the folder appears when it is whole, so that a fetch cut short is begun anew. */
function fetchKernel(folder: string): void {
  const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', 'linux-image-amd64']))?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-amd64: run apt-get update');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    run('apt-get', ['download', '-q', name], work);
    const unpacked = join(work, 'kernel');
    run('dpkg', ['-x', join(work, globSync('*.deb', { cwd: work })[0]!), unpacked]);
    run('/sbin/depmod', ['-b', unpacked, name.replace('linux-image-', '')]);
    renameSync(unpacked, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The libraries that an executable is loaded with; none of a static one, of which ldd says so and fails. */
function librariesOf(executable: string): string[] {
  const { stdout } = spawnSync('ldd', [executable], { encoding: 'utf8' });
  return [...stdout.matchAll(/\/\S+/g)].map(([path]) => path);
}

/**
 * Packs an initramfs with busybox, the modules that the lab's hardware needs, one executable and its libraries.
 * @param init the shell script that the guest runs
 * @param more kernel modules that it loads by itself
 * @param programs files besides, which are put with their libraries: where they are → where they go
 * @returns paths for QEMU's -kernel and -initrd
 */
export function makeInitramfs(
  out: string,
  executable: string,
  init: string,
  more: string[] = [],
  programs: Record<string, string> = {},
): { kernel: string; initrd: string } {
  const { folder, version } = openKernel();
  const root = mkdtempSync(join(tmpdir(), 'machinedb-initramfs-'));
  const put = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  try {
    for (const name of ['proc', 'sys', 'dev', 'tmp', 'sbin']) mkdirSync(join(root, name));
    put('/bin/busybox', 'bin/busybox');
    put(executable, 'machinedb-agent');
    for (const [from, to] of Object.entries(programs)) put(from, to);
    for (const library of [executable, ...Object.keys(programs)].flatMap(librariesOf)) put(library, library);
    for (const module of [...usual, ...more]) {
      const lines = run('/sbin/modprobe', ['-d', folder, '-S', version, '--show-depends', module]);
      for (const [, file] of lines.matchAll(/^insmod (\S+)/gm)) put(file!, file!.slice(folder.length));
    }
    for (const list of ['modules.order', 'modules.builtin'])
      put(join(folder, 'lib/modules', version, list), `lib/modules/${version}/${list}`);
    run('/sbin/depmod', ['-b', root, version]);
    writeFileSync(join(root, 'lease'), lease, { mode: 0o755 });
    writeFileSync(join(root, 'init'), `${prologue}${init}`, { mode: 0o755 });
    const initrd = join(out, 'initrd');
    run('sh', ['-c', `find . | cpio -o -H newc --quiet | zstd -q -1 -o ${initrd}`], root);
    return { kernel: join(folder, 'boot', `vmlinuz-${version}`), initrd };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

// The first card on which somebody answers is the way out; QEMU's user network hands out 10.0.2.15.
const prologue = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in ${usual.join(' ')}; do /bin/busybox modprobe $module; done
ip link set lo up
for nic in /sys/class/net/*; do
  name=\${nic##*/}
  [ $name = lo ] && continue
  ip link set $name up
  udhcpc -i $name -s /lease -n -q -t 5 -T 1 >/dev/null 2>&1 && echo "LAB lease on $name" && break
done
`;

const lease = `#!/bin/busybox sh
[ "$1" = bound ] && ip addr add $ip/$mask dev $interface && ip route add default via $router
true
`;
