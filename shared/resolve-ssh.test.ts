import { expect, test } from 'vitest';
import { resolveSsh, type SshInput, sshMaterial } from './resolve-ssh.ts';
import type { SshIntended } from './sections/ssh.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH';
const fingerprint = 'SHA256:iIqNWmexzf7zhVR3stTdwjJUF5xXrg0r8q1ndZy1Vjs';
const resolved = (intended: SshIntended | undefined, more: Partial<SshInput> = {}) =>
  resolveSsh({ intended, observed: undefined, ca: undefined, names: [], ...more }, []);
const hardened = {
  password_authentication: false,
  kbd_interactive_authentication: false,
  permit_root_login: 'no',
  x11_forwarding: false,
  max_auth_tries: 4,
  login_grace_time_s: 30,
};

test('hardened unless the intent says otherwise; not intended is not managed', () => {
  expect(resolved(undefined)).toBeUndefined();
  expect(resolved({})).toEqual(hardened);
  const said = { ...hardened, password_authentication: true, permit_root_login: 'yes' as const, max_auth_tries: 10 };
  expect(resolved(said as SshIntended)).toEqual(said);
});

test('root may log in by key where a key or a principal of it is intended', () => {
  const root = { ...hardened, permit_root_login: 'prohibit-password' };
  expect(resolved({ authorized_keys: { root: { ann: key } } })).toEqual({
    ...root,
    authorized_keys: { root: { [fingerprint]: {} } },
  });
  expect(resolved({ authorized_keys: { root: {}, ann: { ann: key } } })).toEqual({
    ...hardened,
    authorized_keys: { ann: { [fingerprint]: {} } },
  });
  const principals = { root: { admin: true as const } };
  expect(resolved({ trusted_user_ca: { people: key }, principals })).toEqual({
    ...root,
    trusted_user_ca: { [fingerprint]: {} },
    principals,
  });
});

test('an older agent is not asked for what it does not report', () => {
  const observed = { password_authentication: true, permit_root_login: 'yes' };
  expect(resolved({}, { observed })).toEqual({ password_authentication: false, permit_root_login: 'no' });
});

test('a host certificate is wanted of a node that has a name, and a CA key that is none is told', () => {
  const ca = 'SHA256:ca';
  expect(resolved({ host_certificate: true }, { ca, names: ['n1', '10.1.0.5'] })).toEqual({
    ...hardened,
    host_certificate: { ca, principals: { n1: true, '10.1.0.5': true } },
  });
  expect(resolved({ host_certificate: true }, { ca })).toEqual(hardened);
  const problems: { path: string; section: string; message: string }[] = [];
  resolveSsh({ intended: { trusted_user_ca: { people: 'x' } }, observed: undefined, ca, names: [] }, problems);
  expect(problems).toEqual([
    { section: 'ssh', path: '/trusted_user_ca/people', message: 'this is not an SSH public key' },
  ]);
});

test('what the fingerprints stand for', () => {
  const line = `${key} ann@laptop`;
  expect(sshMaterial({ authorized_keys: { ann: { laptop: ` ${line} ` } } })).toEqual({ [fingerprint]: line });
  expect(sshMaterial({ trusted_user_ca: { people: line } })).toEqual({ [fingerprint]: line });
});
