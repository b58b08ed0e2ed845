/** Our settings of sshd(8): the first value wins and files are read by name, so that ours sorts before all others. */
export const SSHD_SETTINGS = '/etc/ssh/sshd_config.d/00-machinedb.conf';

const PREFIX = '# Keys are kept for: ';

/** The line of our settings that names the users whose authorized_keys(5) hold keys of ours; undefined: nobody's do. */
export function keptUsersLine(users: string[]): string | undefined {
  return users.length === 0 ? undefined : `${PREFIX}${[...users].sort().join(' ')}`;
}

export const isKeptUsersLine = (line: string) => line.startsWith(PREFIX);

/** Users of that line, from the text of our settings. */
export function keptUsers(settings: string | undefined): string[] {
  const line = settings?.split('\n').find((each) => each.startsWith(PREFIX));
  return line?.slice(PREFIX.length).split(' ').filter(Boolean) ?? [];
}

/**
 * Where sshd looks for a user's keys when nothing else is set.
 *
 * @param passwd text of /etc/passwd
 * @returns undefined when the machine has no such user
 */
export function authorizedKeysOf(passwd: string | undefined, user: string): string | undefined {
  const lines = (passwd ?? '').split('\n').map((line) => line.split(':'));
  const home = lines.find(([name]) => name === user)?.[5];
  return home?.startsWith('/') ? `${home.replace(/\/$/, '')}/.ssh/authorized_keys` : undefined;
}
