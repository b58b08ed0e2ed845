import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchownSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { Home } from './home.ts';
import { syncDirectory } from './password.ts';
import { run } from './run.ts';

/** The role MachineDB connects as, and the name of its database. */
export const role = 'machinedb';

/**
 * The data directory's PG_VERSION ("15"), or undefined when there is no data directory.
 *
 * @throws Error when the directory is there but holds no database
 */
export function clusterVersion(data: string): string | undefined {
  if (!existsSync(data)) return undefined;
  try {
    return readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    throw new Error(
      `${data} is not PostgreSQL's: its PG_VERSION cannot be read (${(error as NodeJS.ErrnoException).code}). ` +
        'Bring its files back, or move it away to begin an empty database.',
      { cause: error },
    );
  }
}

/**
 * Makes the data directory `<home>/data`. initdb works in a `data.new.*`, which is renamed when it is whole and on disk:
 * a half-made one, after a power cut, is never taken for a database. Each attempt has a name of its own, because an
 * initdb that outlived a killed MachineDB removes its directory when it fails.
 *
 * @throws Error with initdb's own words; the signal's reason when aborted
 */
export async function createCluster(
  { bin, version }: Binaries,
  home: Home,
  password: string,
  signal: AbortSignal,
): Promise<void> {
  const { directory, account } = home;
  const old = readdirSync(directory).filter((name) => name.startsWith('data.new.'));
  await run('rm', ['-rf', '--', ...old], { account, cwd: directory }).catch(() => undefined);
  const draft = join(directory, `data.new.${randomBytes(4).toString('hex')}`);
  const passwordFile = join(directory, 'password.new');
  rmSync(passwordFile, { force: true });
  const fd = openSync(passwordFile, 'wx', 0o600);
  writeFileSync(fd, `${password}\n`);
  if (account !== undefined) fchownSync(fd, account.uid, account.gid);
  closeSync(fd);
  try {
    await run(
      join(bin, 'initdb'),
      [
        ...[`--pgdata=${draft}`, `--username=${role}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
        ...['--encoding=UTF8', '--data-checksums', '--lc-messages=C', ...locale(version)],
      ],
      { account, cwd: directory, signal },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, join(directory, 'data'));
  syncDirectory(directory);
}

/** Text in UTF-8, sorted by its bytes: the same order on every machine, whatever its C library. */
function locale(version: number): string[] {
  return version >= 17
    ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : ['--locale=C.UTF-8', '--locale-provider=libc'];
}

/** Sets the role's password while no server runs, in PostgreSQL's single-user mode. */
export async function resetPassword({ bin }: Binaries, home: Home, password: string): Promise<void> {
  await run(join(bin, 'postgres'), ['--single', '-D', join(home.directory, 'data'), 'postgres'], {
    account: home.account,
    cwd: home.directory,
    input: `ALTER ROLE ${role} PASSWORD '${password}'\n`,
  });
}
