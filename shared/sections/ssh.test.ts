import { expect, test } from 'vitest';
import { issues } from './issues.fixture.ts';
import { ssh } from './ssh.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH anna@laptop';

test('an intent', () => {
  const intent = {
    password_authentication: false,
    permit_root_login: 'prohibit-password',
    authorized_keys: { root: { anna: key } },
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
])('%j', (intent, message) => {
  expect(issues(ssh.intended, intent)).toEqual([message]);
});
