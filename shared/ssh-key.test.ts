import { expect, test } from 'vitest';
import { parseSshKey } from './ssh-key.ts';

const ed25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH';
const ecdsa =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGGi3txzu7EmlNfu0/EE5jP58nVgwFaP727x2JqA9LDMBsjhNz0VJxbnDb1T+jqVUSWocoye6oENNC47VNRgWVI=';

test('a key with its fingerprint, as ssh-keygen -l prints it', () => {
  expect(parseSshKey(`${ed25519} root@host a\n`)).toEqual({
    type: 'ssh-ed25519',
    fingerprint: 'SHA256:iIqNWmexzf7zhVR3stTdwjJUF5xXrg0r8q1ndZy1Vjs',
    comment: 'root@host a',
  });
  expect(parseSshKey(ecdsa)).toEqual({
    type: 'ecdsa-sha2-nistp256',
    fingerprint: 'SHA256:Iik8nHd1wesOJ4/7qk/siRrFS0fMqiSYSW/M0eG0+bg',
    comment: undefined,
  });
});

test('what is no key', () => {
  const others = [
    '',
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    ed25519.replace('ssh-ed25519 ', 'ssh-rsa '),
    ed25519.replace('ssh-ed25519 ', ''),
    `command="/bin/true" ${ed25519}`,
    '-----BEGIN OPENSSH PRIVATE KEY-----',
  ];
  for (const text of others) expect(parseSshKey(text)).toBeUndefined();
});
