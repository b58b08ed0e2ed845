import { expect, test } from 'vitest';
import { issues } from './issues.fixture.ts';
import { repos } from './repos.ts';

const debian = {
  types: { deb: true },
  uris: { 'https://deb.example/debian': true },
  suites: { bookworm: true },
  components: { main: true },
  signed_by: '/usr/share/keyrings/debian.gpg',
};

test('an intent, which has the shape of what is observed', () => {
  const intent = { apt: { debian } };
  expect(repos.intended.parse(intent)).toEqual(intent);
  expect(repos.observed.parse(intent)).toEqual(intent);
});

test.each([
  [{ 'a/b': debian }, 'apt.a/b: name a repository with letters, digits, ".", "_" and "-", at most 64'],
  [{ a: { ...debian, uris: {} } }, 'apt.a.uris: a repository has at least one URI'],
  [{ a: { ...debian, suites: {} } }, 'apt.a.suites: a repository has at least one suite'],
  [
    { a: { ...debian, suites: { 'x\nTrusted: yes': true } } },
    'apt.a.suites.x\nTrusted: yes: a suite is one word without blanks, "[", "]" and "#"',
  ],
  [
    { a: { ...debian, uris: { 'https://bot:secret@deb.example/': true } } },
    'apt.a.uris.https://bot:secret@deb.example/: credentials belong in no URI: use apt_auth.conf(5)',
  ],
  [
    { a: { ...debian, signed_by: 'debian.gpg' } },
    'apt.a.signed_by: signed_by is the absolute path of a keyring, without blanks',
  ],
])('%j', (apt, message) => {
  expect(issues(repos.intended, { apt })).toEqual([message]);
});
