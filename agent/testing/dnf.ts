import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Result } from '../command.ts';
import { unpacked } from './unpacked.ts';

const packages = [
  ...['dnf', 'dnf-data', 'python3-dnf', 'python3-hawkey', 'python3-libdnf', 'libdnf2', 'libdnf2-common', 'librepo0'],
  ...['libcomps0', 'python3-libcomps', 'libmodulemd2', 'libsolv1', 'libsolvext1', 'python3-gpg', 'libgpgme11'],
  ...[
    'python3-rpm',
    'rpm-common',
    'librpm9',
    'librpmio9',
    'librpmbuild9',
    'librpmsign9',
    'libfsverity0',
    'liblua5.3-0',
  ],
];

/** Runs Debian's own dnf, unpacked and not installed, as the release 9 of some distribution. */
export function dnf(args: string[]): Result {
  return python([join(unpacked(...packages), 'usr/bin/dnf-3'), '--releasever=9', ...args]);
}

/** What dnf makes of the files in a folder: options by repository, as its config-manager dumps them. */
export function dumpDnf(folder: string): Record<string, Record<string, string>> {
  const program = `import dnf, json, sys
base = dnf.Base()
base.conf.reposdir, base.conf.releasever = [sys.argv[1]], '9'
base.conf.cachedir = base.conf.logdir = sys.argv[1]
base.read_all_repos()
options = lambda repo: dict(line.split(' = ', 1) for line in repo.dump().splitlines() if ' = ' in line)
print(json.dumps({repo.id: options(repo) for repo in base.repos.all()}))`;
  const { stdout, stderr, status } = python(['-c', program, folder]);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, Record<string, string>>;
}

function python(args: string[]): Result {
  const folder = unpacked(...packages);
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: join(folder, 'usr/lib/x86_64-linux-gnu'),
    PYTHONPATH: join(folder, 'usr/lib/python3/dist-packages'),
    PYTHONDONTWRITEBYTECODE: '1',
    RPM_CONFIGDIR: join(folder, 'usr/lib/rpm'),
  };
  return spawnSync('/usr/bin/python3', args, { encoding: 'utf8', env });
}
