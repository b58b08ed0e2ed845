import type { SshWanted } from '../../shared/sections/ssh.ts';
import { must, type Run } from '../command.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { readText } from './files.ts';

/** sshd_config(5): the first value wins, and files are read by name, so that ours sorts before all others. */
const SETTINGS = '/etc/ssh/sshd_config.d/00-machinedb.conf';
const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';
const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key';
const [BEGIN, END] = ['# machinedb-agent: keys between these lines are its', '# machinedb-agent: end'];

/** What material the host certificate is handed by; see manage. */
export const HOST_CERTIFICATE = 'ssh-host-certificate';

/** sshd's settings, its host certificate, and the keys that open users. Keys of others stay. */
export function planSsh(root: string, wanted: SshWanted, material: Record<string, string>): Change[] {
  const { password_authentication, permit_root_login, host_certificate, authorized_keys = {} } = wanted;
  const certificate = host_certificate === undefined ? undefined : material[HOST_CERTIFICATE];
  const lines = [
    password_authentication === undefined
      ? undefined
      : `PasswordAuthentication ${password_authentication ? 'yes' : 'no'}`,
    permit_root_login === undefined ? undefined : `PermitRootLogin ${permit_root_login}`,
    certificate === undefined ? undefined : `HostKey ${HOST_KEY}`,
    certificate === undefined ? undefined : `HostCertificate ${CERTIFICATE}`,
  ].filter((line) => line !== undefined);
  const files: Files = { [SETTINGS]: { text: `${[header, ...lines].join('\n')}\n`, mode: 0o644 } };
  if (certificate !== undefined) files[CERTIFICATE] = { text: `${certificate.trim()}\n`, mode: 0o644 };
  for (const [user, keys] of Object.entries(authorized_keys)) {
    const path = `${homeOf(root, user)}/.ssh/authorized_keys`;
    const known = Object.keys(keys)
      .sort()
      .flatMap((fingerprint) => material[fingerprint] ?? []);
    files[path] = { text: withKeys(readText(root, path) ?? '', known), mode: 0o600 };
  }
  return changesTo(root, 'ssh', files);
}

/** The file with exactly these keys between our lines. */
function withKeys(text: string, keys: string[]): string {
  const lines = text.replace(/\n$/, '').split('\n');
  const [from, to] = [lines.indexOf(BEGIN), lines.indexOf(END)];
  const others = from < 0 || to < from ? lines : [...lines.slice(0, from), ...lines.slice(to + 1)];
  return `${[...others.filter((line) => line !== ''), BEGIN, ...keys, END].join('\n')}\n`;
}

function homeOf(root: string, user: string): string {
  const lines = (readText(root, '/etc/passwd') ?? '').split('\n').map((line) => line.split(':'));
  const home = lines.find(([name]) => name === user)?.[5];
  if (home === undefined || !home.startsWith('/')) throw new Error(`there is no user ${user} on this machine`);
  return home;
}

/** Checks sshd's configuration by sshd itself, and lets the running server read it. Throws when sshd refuses it. */
export function reloadSsh(run: Run): void {
  // On a first boot the agent may be here before sshd has made its keys.
  must(run, 'ssh-keygen', ['-A']);
  must(run, 'sshd', ['-t']);
  must(run, 'systemctl', ['reload-or-restart', 'ssh.service']);
}
