import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, runProgram } from '../program.ts';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb');

/** The roots of Debian's releases with their cloud-init: SUITE below the folder that is answered. */
export function seedRoots(): string {
  mkdirSync(cache, { recursive: true });
  const build = [process.execPath, join(import.meta.dirname, 'build-seed-roots.ts')];
  return execFileSync('flock', [join(cache, 'seed-roots.lock'), ...build], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
}

/** A release's root with what a test writes into it; the release's own stays as it is. */
export interface SeedRoot {
  /** Where files of the root are seen. */
  path: string;
  /** Runs a shell script in the root, in namespaces of its own: mounts, host name, processes. Nothing of this machine is changed. */
  run(script: string): Promise<Ended>;
  close(): void;
}

/**
 * Opens a root.
 *
 * @param namespace the network that it is in
 */
export function openSeedRoot(roots: string, suite: string, namespace: string): SeedRoot {
  const directory = mkdtempSync(join(tmpdir(), `machinedb-seed-${suite}-`));
  for (const name of ['upper', 'work', 'root']) mkdirSync(join(directory, name));
  const path = join(directory, 'root');
  const layers = `lowerdir=${join(roots, suite)},upperdir=${join(directory, 'upper')},workdir=${join(directory, 'work')}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, path]);
  // No device of this machine is there: cloud-init looks for disks, and would enlarge one.
  writeFileSync(
    join(directory, 'enter'),
    `set -e
root=$1; script=$2
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r name major minor <<END
$node
END
  mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd "$root/dev/fd"
hostname localhost
exec chroot "$root" /bin/sh -c "$script"
`,
  );
  return {
    path,
    run: (script) =>
      runProgram(
        'ip',
        ['netns', 'exec', namespace, 'unshare', '--mount', '--uts', '--pid', '--ipc', '--fork', '--kill-child'].concat([
          ...['sh', join(directory, 'enter'), path, script],
        ]),
        { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      ),
    close() {
      execFileSync('umount', [path]);
      rmSync(directory, { recursive: true });
    },
  };
}
