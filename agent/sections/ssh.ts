import type { Ssh } from '../../shared/sections/ssh.ts';
import { readHostCertificate } from '../../shared/ssh-certificate.ts';
import { parseSshKey, type SshKey } from '../../shared/ssh-key.ts';
import { readSshdConfig } from '../parse/sshd-config.ts';
import type { System } from '../system.ts';

const mostKeys = 1000;

/** The SSH server's identity, its effective global settings (sshd_config(5)), and the keys that open root. */
export function observe(system: System): Ssh | undefined {
  const rootKeys = authorizedKeys(system.read('/root/.ssh/authorized_keys') ?? '');
  const observed = {
    host_keys: hostKeys(system),
    host_certificate: hostCertificate(system),
    ...settings(system),
    authorized_keys: Object.keys(rootKeys).length === 0 ? undefined : { root: rootKeys },
  };
  return Object.values(observed).every((member) => member === undefined) ? undefined : observed;
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
    ports: portsOf(config.get('port') ?? []),
  };
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
