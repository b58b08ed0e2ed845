import { expect, test } from 'vitest';
import { issues } from './issues.fixture.ts';
import { ssh } from './ssh.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH anna@laptop';

test('an intent', () => {
  const intent = {
    password_authentication: false,
    permit_root_login: 'prohibit-password',
    authorized_keys: { root: { anna: key } },
    kbd_interactive_authentication: false,
    x11_forwarding: false,
    max_auth_tries: 3,
    login_grace_time_s: 60,
    trusted_user_ca: { people: key },
    principals: { anna: { 'deploy@example.org': true } },
  };
  expect(ssh.intended.parse(intent)).toEqual(intent);
});

test.each([
  [
    { permit_root_login: 'without-password' },
    'permit_root_login: Invalid option: expected one of "yes"|"no"|"prohibit-password"|"forced-commands-only"',
  ],
  [
    { authorized_keys: { 'root\nx': { anna: key } } },
    'authorized_keys.root\nx: name a user with lower-case letters, digits, ".", "_" and "-", at most 32',
  ],
  [{ authorized_keys: { root: { anna: `${key}\n${key}` } } }, 'authorized_keys.root.anna: a public key is one line'],
  [
    { authorized_keys: { root: { anna: 'AAAA' } } },
    'authorized_keys.root.anna: not a public key: write "ssh-ed25519 AAAA... comment"',
  ],
  [
    { trusted_user_ca: { people: key }, principals: { anna: { 'a\nb': true } } },
    'principals.anna.a\nb: a principal is letters, digits, "@", ".", "_", ":", "+" and "-", at most 128',
  ],
  [
    { trusted_user_ca: { people: key }, principals: { '../anna': { a: true } } },
    'principals.../anna: name a user with lower-case letters, digits, ".", "_" and "-", at most 32',
  ],
  [
    { trusted_user_ca: { people: key }, principals: { anna: {} } },
    'principals.anna: a user has at least one principal',
  ],
  [
    { principals: { anna: { deploy: true } } },
    'principals: principals are names in certificates of a CA: intend trusted_user_ca, too',
  ],
  [
    { trusted_user_ca: { people: `cert-authority ${key}` } },
    'trusted_user_ca.people: not a public key: write "ssh-ed25519 AAAA... comment"',
  ],
  [{ login_grace_time_s: 0 }, 'login_grace_time_s: Too small: expected number to be >=5'],
])('%j', (intent, message) => {
  expect(issues(ssh.intended, intent)).toEqual([message]);
});
