// Makes root file systems of the releases of Debian with their own cloud-init, unless they are there, and prints their folder.
// Started under a lock by seedRoots().
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb/seed-roots');
/** What each release's cloud-init renders networks for, besides. */
const suites = { bullseye: ['ifupdown'], bookworm: ['ifupdown'], trixie: ['netplan.io'] };
const packages = ['cloud-init', 'openssh-client', 'iproute2', 'systemd'];
const excluded = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];

const digest = createHash('sha256')
  .update(readFileSync(import.meta.filename))
  .digest('hex')
  .slice(0, 16);
const directory = join(cache, digest);
for (const [suite, more] of Object.entries(suites)) {
  const tree = join(directory, suite);
  if (existsSync(tree)) continue;
  mkdirSync(directory, { recursive: true });
  const half = `${tree}.half`;
  rmSync(half, { recursive: true, force: true });
  process.stderr.write(`${suite}: packages with cloud-init\n`);
  const include = [...packages, ...more].join(',');
  const options = [
    '--variant=minbase',
    `--include=${include}`,
    ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
  ];
  // What a build that dies leaves is thrown away, so that dpkg need not wait for the disk (dpkg(1), DPKG_FORCE).
  const env = { ...process.env, DPKG_FORCE: 'unsafe-io' };
  // mmdebstrap mounts /proc and /sys below the tree; if it is killed they must not stay, for whoever removes the tree.
  const words = ['--mount', '--propagation', 'private', 'mmdebstrap', '--quiet', ...options, suite, half];
  execFileSync('unshare', words, { stdio: ['ignore', 'ignore', 'inherit'], env });
  renameSync(half, tree);
}
process.stdout.write(directory);
