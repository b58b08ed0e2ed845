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

const kernel = { packages: { 'linux-image-*': true }, pin: 'release n=bookworm-backports', priority: 990 };
const rocky = { baseurl: { 'https://mirror.example.org/$releasever/os/$basearch/': true }, priority: 10 };
const wrongPin =
  'write a pin as apt_preferences(5) does: "release o=Debian,n=bookworm-backports", "origin HOST" or "version 1.2*"';
const wrongUrl = 'write a URL (https://...) without credentials; $releasever and the like are as dnf.conf(5) has them';

test('pins, and repositories of dnf, which have the shape of what is observed', () => {
  const intent = { apt_pins: { kernel, no: { ...kernel, pin: 'origin x.example', priority: -1 } }, dnf: { rocky } };
  expect(repos.intended.parse(intent)).toEqual(intent);
  expect(repos.observed.parse(intent)).toEqual(intent);
});

test.each([
  [{ apt_pins: { a: { ...kernel, pin: 'release n=a\nPin-Priority: 1' } } }, `apt_pins.a.pin: ${wrongPin}`],
  [{ apt_pins: { a: { ...kernel, pin: 'origin "x"' } } }, `apt_pins.a.pin: ${wrongPin}`],
  [{ apt_pins: { a: { ...kernel, priority: 0 } } }, 'apt_pins.a.priority: APT has no priority 0'],
  [{ apt_pins: { a: { ...kernel, packages: {} } } }, 'apt_pins.a.packages: a pin is about at least one package'],
  [
    { apt_pins: { a: { ...kernel, packages: { 'a\nb': true } } } },
    'apt_pins.a.packages.a\nb: name a package by lower-case letters, digits, "+", "-" and "." (*, ? and src: as in apt_preferences(5))',
  ],
  [{ dnf: { main: rocky } }, 'dnf: a repository is not called "main": that is the name of the options of dnf'],
  [{ dnf: { '../a': rocky } }, 'dnf.../a: name a repository with letters, digits, ".", "_" and "-", at most 64'],
  [{ dnf: { a: {} } }, 'dnf.a.baseurl: a repository has a baseurl, a metalink or a mirrorlist'],
  [{ dnf: { a: { metalink: 'https://x.example/$(id)' } } }, `dnf.a.metalink: ${wrongUrl}`],
  [{ dnf: { a: { metalink: 'https://me:pw@x.example/' } } }, `dnf.a.metalink: ${wrongUrl}`],
  [{ dnf: { a: { metalink: 'https://x.example/\ngpgcheck=0' } } }, `dnf.a.metalink: ${wrongUrl}`],
  [{ dnf: { a: { ...rocky, key: 'x' } } }, 'dnf.a.key: a key is an armoured OpenPGP public key block'],
])('%j', (intent, message) => {
  expect(issues(repos.intended, intent)).toEqual([message]);
});
