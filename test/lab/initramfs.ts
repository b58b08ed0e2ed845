import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb');
const modules = ['virtio_pci', 'virtio_net', 'nvme', 'e1000e'];

function run(command: string, args: string[], cwd?: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A folder with Debian's kernel unpacked; fetched once, then kept in node_modules/.cache. */
function openKernel(): { folder: string; version: string } {
  mkdirSync(cache, { recursive: true });
  const unpacked = join(cache, 'kernel');
  if (!existsSync(join(unpacked, 'complete'))) {
    const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', 'linux-image-amd64']))?.[1];
    if (name === undefined) throw new Error('apt knows no linux-image-amd64: run apt-get update');
    if (globSync(`${name}_*.deb`, { cwd: cache }).length === 0) run('apt-get', ['download', '-q', name], cache);
    rmSync(unpacked, { recursive: true, force: true });
    run('dpkg', ['-x', join(cache, globSync(`${name}_*.deb`, { cwd: cache })[0]!), unpacked]);
    const version = name.replace('linux-image-', '');
    run('/sbin/depmod', ['-b', unpacked, version]);
    writeFileSync(join(unpacked, 'complete'), '');
  }
  const version = globSync('vmlinuz-*', { cwd: join(unpacked, 'boot') })[0]!.replace('vmlinuz-', '');
  return { folder: unpacked, version };
}

/**
 * Packs an initramfs with busybox, the modules that the lab's hardware needs, one executable and its libraries.
 * @param init the shell script that the guest runs
 * @returns paths for QEMU's -kernel and -initrd
 */
export function makeInitramfs(out: string, executable: string, init: string): { kernel: string; initrd: string } {
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
    for (const [library] of run('ldd', [executable]).matchAll(/\/\S+/g)) put(library, library);
    for (const module of modules) {
      const lines = run('/sbin/modprobe', ['-d', folder, '-S', version, '--show-depends', module]);
      for (const [, file] of lines.matchAll(/^insmod (\S+)/gm)) put(file!, file!.slice(folder.length));
    }
    for (const list of ['modules.order', 'modules.builtin'])
      put(join(folder, 'lib/modules', version, list), `lib/modules/${version}/${list}`);
    run('/sbin/depmod', ['-b', root, version]);
    writeFileSync(join(root, 'init'), `${prologue}${init}`, { mode: 0o755 });
    const initrd = join(out, 'initrd');
    run('sh', ['-c', `find . | cpio -o -H newc --quiet | zstd -q -1 -o ${initrd}`], root);
    return { kernel: join(folder, 'boot', `vmlinuz-${version}`), initrd };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const prologue = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in ${modules.join(' ')}; do /bin/busybox modprobe $module; done
`;
