import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SshWanted } from '../../shared/sections/ssh.ts';
import { must, type Run } from '../command.ts';
import { authorizedKeysOf, isKeptUsersLine, keptUsers, keptUsersLine, SSHD_SETTINGS } from '../parse/kept-keys.ts';
import { readSshdConfig } from '../parse/sshd-config.ts';
import { openSystem } from '../system.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { readText } from './files.ts';

const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';
const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key';
const USER_CA = '/etc/ssh/machinedb-user-ca.pub';
const PRINCIPALS = '/etc/ssh/machinedb-principals';
const [BEGIN, END] = ['# machinedb-agent: keys between these lines are its', '# machinedb-agent: end'];

/** What material the host certificate is handed by; see manage. */
export const HOST_CERTIFICATE = 'ssh-host-certificate';

/**
 * sshd's settings, its host certificate, and the keys that open users. Keys of others stay; a user who is no longer wanted
 * to have keys of ours loses them.
 */
export function planSsh(root: string, wanted: SshWanted, material: Record<string, string>): Change[] {
  const { authorized_keys = {}, principals = {} } = wanted;
  const certificate = wanted.host_certificate === undefined ? undefined : material[HOST_CERTIFICATE];
  const files: Files = {
    [SSHD_SETTINGS]: { text: settingsText(root, wanted, certificate !== undefined), mode: 0o644 },
  };
  if (certificate !== undefined) files[CERTIFICATE] = { text: `${certificate.trim()}\n`, mode: 0o644 };
  const cas = Object.keys(wanted.trusted_user_ca ?? {}).sort();
  if (cas.length > 0) files[USER_CA] = linesFile(cas.flatMap((fingerprint) => material[fingerprint] ?? []));
  for (const [user, names] of Object.entries(principals))
    files[`${PRINCIPALS}/${user}`] = linesFile(Object.keys(names).sort());
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
  const ours = [USER_CA, ...principalsFiles(root)];
  return changesTo(
    root,
    'ssh',
    files,
    ours.filter((path) => files[path] === undefined),
  );
}

const linesFile = (lines: string[]) => ({ text: `${[header, ...lines].join('\n')}\n`, mode: 0o644 });

function principalsFiles(root: string): string[] {
  const folder = join(root, PRINCIPALS);
  return existsSync(folder) ? readdirSync(folder).map((name) => `${PRINCIPALS}/${name}`) : [];
}

/** Our part of sshd_config(5). */
function settingsText(root: string, wanted: SshWanted, certified: boolean): string {
  const yesNo = (value: boolean | undefined) => (value === undefined ? undefined : value ? 'yes' : 'no');
  const kbdInteractive = yesNo(wanted.kbd_interactive_authentication);
  const settings: [string, string | number | undefined][] = [
    ['PasswordAuthentication', yesNo(wanted.password_authentication)],
    ['KbdInteractiveAuthentication', kbdInteractive],
    // Before OpenSSH 8.7 (Debian 11) a setting of its own that also lets PAM ask; since then another name of the same.
    ['ChallengeResponseAuthentication', kbdInteractive],
    ['PermitRootLogin', wanted.permit_root_login],
    ['X11Forwarding', yesNo(wanted.x11_forwarding)],
    ['MaxAuthTries', wanted.max_auth_tries],
    ['LoginGraceTime', wanted.login_grace_time_s],
    ['TrustedUserCAKeys', wanted.trusted_user_ca === undefined ? undefined : USER_CA],
    ['AuthorizedPrincipalsFile', wanted.principals === undefined ? undefined : `${PRINCIPALS}/%u`],
    ['HostKey', certified && isHostKeyLacking(root) ? HOST_KEY : undefined],
    ['HostCertificate', certified ? CERTIFICATE : undefined],
  ];
  const lines = settings.flatMap(([keyword, value]) => (value === undefined ? [] : [`${keyword} ${value}`]));
  const users = keptUsersLine(Object.keys(wanted.authorized_keys ?? {}));
  return `${[header, ...(users === undefined ? [] : [users]), ...lines].join('\n')}\n`;
}

/**
 * Whether sshd would not load the key that is certified: where files of others name some keys, and not that. Where none is named
 * sshd offers all that there are, and naming one would hide the others.
 */
function isHostKeyLacking(root: string): boolean {
  const system = openSystem(root);
  const others = { ...system, read: (path: string) => (path === SSHD_SETTINGS ? undefined : system.read(path)) };
  const named = readSshdConfig(others, '/etc/ssh/sshd_config').get('hostkey') ?? [];
  return named.length > 0 && !named.includes(HOST_KEY);
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

/** A text without the lines by which the agent knows what is its own in a file of others. */
export function withoutMarks(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== BEGIN && line !== END && !isKeptUsersLine(line))
    .join('\n');
}

/** Lets the running server read its files. */
export function reloadSsh(run: Run): void {
  must(run, 'systemctl', ['reload-or-restart', 'ssh.service']);
}
