import type { Ssh } from '../../shared/sections/ssh.ts';
import { readHostCertificate } from '../../shared/ssh-certificate.ts';
import { parseSshKey, type SshKey } from '../../shared/ssh-key.ts';
import { authorizedKeysOf, keptUsers, SSHD_SETTINGS } from '../parse/kept-keys.ts';
import { readSshdConfig } from '../parse/sshd-config.ts';
import type { System } from '../system.ts';

const mostKeys = 1000;
const mostUsers = 64;

/** The SSH server's identity, its effective global settings (sshd_config(5)), and the keys that open root or are kept by us. */
export function observe(system: System): Ssh | undefined {
  const observed = {
    host_keys: hostKeys(system),
    host_certificate: hostCertificate(system),
    ...settings(system),
    authorized_keys: keysOfUsers(system),
  };
  return Object.values(observed).every((member) => member === undefined) ? undefined : observed;
}

/** Keys that open root, and users that the agent keeps keys for: these are there even without any key. */
function keysOfUsers(system: System): Ssh['authorized_keys'] {
  const kept = keptUsers(system.read(SSHD_SETTINGS));
  const passwd = kept.length === 0 ? undefined : system.read('/etc/passwd');
  const users = ['root', ...kept.filter((user) => user !== 'root')].slice(0, mostUsers).flatMap((user) => {
    const path = user === 'root' ? '/root/.ssh/authorized_keys' : authorizedKeysOf(passwd, user);
    const keys = path === undefined ? undefined : authorizedKeys(readOr(system, user, path) ?? '');
    const shown = keys !== undefined && (kept.includes(user) || Object.keys(keys).length > 0);
    return shown ? [[user, keys] as const] : [];
  });
  return users.length === 0 ? undefined : Object.fromEntries(users);
}

/** A user may put what it likes in place of its own file: that must not hide how the others are. */
function readOr(system: System, user: string, path: string): string | undefined {
  if (user === 'root') return system.read(path);
  try {
    return system.read(path);
  } catch {
    return undefined;
  }
}

function hostKeys(system: System) {
  const keys = system
    .list('/etc/ssh')
    .filter((name) => /^ssh_host_.+_key\.pub$/.test(name))
    .flatMap((name) => parseSshKey(system.read(`/etc/ssh/${name}`) ?? '') ?? []);
  return keys.length === 0
    ? undefined
    : Object.fromEntries(keys.map(({ fingerprint, type }) => [fingerprint, { type }]));
}

function hostCertificate(system: System) {
  const certificate = readHostCertificate(system.read('/etc/ssh/ssh_host_ed25519_key-cert.pub') ?? '');
  if (certificate === undefined) return undefined;
  const { ca, principals, validBefore } = certificate;
  // 2^64 - 1 is for ever, and no date.
  const valid_before = validBefore < 8.64e12 ? new Date(validBefore * 1000).toISOString() : undefined;
  return {
    ca,
    principals: Object.fromEntries(principals.slice(0, 256).map((name) => [name, true as const])),
    valid_before,
  };
}

// What a file does not set has sshd's default; without the file there is no sshd to speak of.
function settings(system: System) {
  if (system.read('/etc/ssh/sshd_config') === undefined) return {};
  const config = readSshdConfig(system, '/etc/ssh/sshd_config');
  const first = (keyword: string) => config.get(keyword)?.[0]?.toLowerCase();
  const rootLogin = first('permitrootlogin') ?? 'prohibit-password';
  return {
    password_authentication: first('passwordauthentication') !== 'no',
    pubkey_authentication: first('pubkeyauthentication') !== 'no',
    permit_root_login: rootLogin === 'without-password' ? 'prohibit-password' : rootLogin.slice(0, 64),
    // Before 8.7 the two were two, and sshd let one in by either.
    kbd_interactive_authentication:
      (first('kbdinteractiveauthentication') ?? first('challengeresponseauthentication')) !== 'no',
    x11_forwarding: first('x11forwarding') === 'yes',
    max_auth_tries: wholeNumber(first('maxauthtries')) ?? 6,
    login_grace_time_s: secondsOf(first('logingracetime') ?? '120'),
    ports: portsOf(config.get('port') ?? []),
    trusted_user_ca: trustedUserCa(system, config.get('trustedusercakeys')?.[0]),
    principals: principalsOf(system, config.get('authorizedprincipalsfile')?.[0]),
  };
}

const wholeNumber = (text: string | undefined) => (/^\d{1,6}$/.test(text ?? '') ? Number(text) : undefined);

/** sshd_config(5), TIME FORMATS: 90, 90s, 1m30s. */
function secondsOf(text: string): number | undefined {
  if (!/^(\d{1,6}[smhdw]?)+$/.test(text)) return undefined;
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  return [...text.matchAll(/(\d+)([smhdw]?)/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (units[unit || 's'] ?? 0),
    0,
  );
}

function trustedUserCa(system: System, path: string | undefined): Ssh['trusted_user_ca'] {
  if (path?.startsWith('/') !== true) return undefined;
  const keys = authorizedKeys(system.read(path) ?? '');
  return Object.keys(keys).length === 0 ? undefined : keys;
}

/** By user, where the file has the user's name (`/folder/%u`): no other pattern says whose it is. */
function principalsOf(system: System, pattern: string | undefined): Ssh['principals'] {
  const folder = /^(\/.*)\/%u$/.exec(pattern ?? '')?.[1];
  if (folder === undefined) return undefined;
  const users = system
    .list(folder)
    .slice(0, mostUsers)
    .flatMap((user) => {
      const lines = (system.read(`${folder}/${user}`) ?? '').split('\n').map((line) => line.trim());
      // Options may come before the name.
      const names = lines
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(/\s+/).at(-1)!);
      const found = names.slice(0, mostKeys).map((name) => [name.slice(0, 256), true as const]);
      return found.length === 0 ? [] : [[user, Object.fromEntries(found)] as const];
    });
  return users.length === 0 ? undefined : Object.fromEntries(users);
}

function portsOf(values: string[]): Record<string, true> {
  const ports = values.filter((value) => /^\d{1,5}$/.test(value)).slice(0, 64);
  return Object.fromEntries((ports.length === 0 ? ['22'] : ports).map((port) => [port, true]));
}

/** Keys of authorized_keys(5) by fingerprint; options before a key (`from="..." ssh-ed25519 ...`) are passed over. */
export function authorizedKeys(text: string): Record<string, { type: string; comment: string | undefined }> {
  const keys = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('#'))
    .flatMap((line) => parseSshKey(line) ?? parseSshKey(withoutOptions(line)) ?? [])
    .slice(0, mostKeys);
  return Object.fromEntries(keys.map(entry));
}

function entry({ fingerprint, type, comment }: SshKey): [string, { type: string; comment: string | undefined }] {
  return [fingerprint, { type, comment: comment?.slice(0, 256) }];
}

// Options have no blanks but inside double quotes, where \" is a quote.
function withoutOptions(line: string): string {
  return line.trim().replace(/^(?:"(?:\\.|[^"\\])*"|[^\s"])+\s+/, '');
}
