import { spawnSync } from 'node:child_process';
import type { Log } from './log.ts';

/** The OS user PostgreSQL runs as; `undefined` stands for the user of this process. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** @throws Error when the account database cannot be read */
function find(name: string): Account | undefined {
  const { status, stdout, error } = spawnSync('getent', ['passwd', name], { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`The OS user ${name} cannot be looked up: ${error.message}`);
  const [, , uid, gid] = stdout.trim().split(':');
  return status === 0 ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/**
 * The OS user for a server started by root, which PostgreSQL refuses to run as: `machinedb`, else `postgres`, else a
 * new system user `machinedb`.
 *
 * @throws Error when there is none and none can be made
 */
export function serviceAccount(log: Log): Account {
  const existing = find('machinedb') ?? find('postgres');
  if (existing !== undefined) return existing;
  const options = ['--system', '--user-group', '--home-dir', '/var/lib/machinedb', '--shell', '/usr/sbin/nologin'];
  const { status, stderr, error } = spawnSync('useradd', [...options, '--no-create-home', 'machinedb'], {
    encoding: 'utf8',
  });
  // Two daemons that start at once may both find the user missing; the later one's useradd fails and that is fine.
  const made = find('machinedb');
  if (made === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and the OS user machinedb for it could not be made: ' +
        `${error?.message ?? stderr.trim()}. Make it with "useradd --system machinedb", or start MachineDB as an ordinary user.`,
    );
  }
  if (status === 0) log.info('made the system user machinedb, because PostgreSQL does not run as root');
  return made;
}
