import type { SshWanted } from '../../shared/sections/ssh.ts';
import { must, type Run } from '../command.ts';
import { authorizedKeysOf, keptUsers, keptUsersLine, SSHD_SETTINGS } from '../parse/kept-keys.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { readText } from './files.ts';

const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';
const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key';
const [BEGIN, END] = ['# machinedb-agent: keys between these lines are its', '# machinedb-agent: end'];

/** What material the host certificate is handed by; see manage. */
export const HOST_CERTIFICATE = 'ssh-host-certificate';

/**
 * sshd's settings, its host certificate, and the keys that open users. Keys of others stay; a user who is no longer wanted
 * to have keys of ours loses them.
 */
export function planSsh(root: string, wanted: SshWanted, material: Record<string, string>): Change[] {
  const { password_authentication, permit_root_login, host_certificate, authorized_keys = {} } = wanted;
  const certificate = host_certificate === undefined ? undefined : material[HOST_CERTIFICATE];
  const lines = [
    keptUsersLine(Object.keys(authorized_keys)),
    password_authentication === undefined
      ? undefined
      : `PasswordAuthentication ${password_authentication ? 'yes' : 'no'}`,
    permit_root_login === undefined ? undefined : `PermitRootLogin ${permit_root_login}`,
    certificate === undefined ? undefined : `HostKey ${HOST_KEY}`,
    certificate === undefined ? undefined : `HostCertificate ${CERTIFICATE}`,
  ].filter((line) => line !== undefined);
  const files: Files = { [SSHD_SETTINGS]: { text: `${[header, ...lines].join('\n')}\n`, mode: 0o644 } };
  if (certificate !== undefined) files[CERTIFICATE] = { text: `${certificate.trim()}\n`, mode: 0o644 };
  const passwd = readText(root, '/etc/passwd');
  for (const [user, keys] of Object.entries(authorized_keys)) {
    const path = authorizedKeysOf(passwd, user);
    if (path === undefined)
      throw new Error(`there is no user ${user} on this machine: add the user, or remove its keys`);
    const known = Object.keys(keys)
      .sort()
      .flatMap((fingerprint) => material[fingerprint] ?? []);
    files[path] = { text: withKeys(readText(root, path) ?? '', known), mode: 0o600 };
  }
  for (const user of keptUsers(readText(root, SSHD_SETTINGS))) {
    const path = authorizedKeysOf(passwd, user);
    const text = path === undefined || files[path] !== undefined ? undefined : readText(root, path);
    if (path !== undefined && text !== undefined) files[path] = { text: withKeys(text, undefined), mode: 0o600 };
  }
  return changesTo(root, 'ssh', files);
}

/** The file with exactly these keys between our lines, and all else as it is; undefined: without our lines. */
function withKeys(text: string, keys: string[] | undefined): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const to = lines.indexOf(END);
  const from = to < 0 ? -1 : lines.lastIndexOf(BEGIN, to);
  const [above, below] = from < 0 ? [lines, []] : [lines.slice(0, from), lines.slice(to + 1)];
  // Of a block whose other end somebody removed nobody can tell what is ours.
  const theirs = (each: string) => each !== BEGIN && each !== END;
  const ours = keys === undefined ? [] : [BEGIN, ...keys, END];
  return [...above.filter(theirs), ...ours, ...below.filter(theirs)].map((line) => `${line}\n`).join('');
}

/** Checks sshd's configuration by sshd itself, and lets the running server read it. Throws when sshd refuses it. */
export function reloadSsh(run: Run): void {
  // On a first boot the agent may be here before sshd has made its keys.
  must(run, 'ssh-keygen', ['-A']);
  must(run, 'sshd', ['-t']);
  must(run, 'systemctl', ['reload-or-restart', 'ssh.service']);
}
