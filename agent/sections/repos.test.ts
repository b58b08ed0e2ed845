import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { repos } from '../../shared/sections/repos.ts';
import { openSystem } from '../system.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './repos.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));

test('deb822: paragraphs, continued fields, comments, a source that is off', () => {
  const found = observeTree({
    '/etc/apt/sources.list.d/debian.sources': [
      'Types: deb deb-src',
      '# a snapshot for tests',
      'URIs: https://deb.example/debian',
      'Suites: bookworm',
      ' bookworm-updates',
      'Components: main contrib',
      'Signed-By: /usr/share/keyrings/debian.gpg',
      '',
      '# the second',
      'Enabled: no',
      'types: deb',
      'uris: https://deb.example/security',
      'suites: bookworm-security/',
      'signed-by:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
      ' .',
      ' mDMEY0==',
      ' -----END PGP PUBLIC KEY BLOCK-----',
    ].join('\n'),
  });
  expect(found).toEqual({
    apt: {
      debian: {
        types: { deb: true, 'deb-src': true },
        uris: { 'https://deb.example/debian': true },
        suites: { bookworm: true, 'bookworm-updates': true },
        components: { main: true, contrib: true },
        enabled: true,
        signed_by: '/usr/share/keyrings/debian.gpg',
      },
      'debian-2': {
        types: { deb: true },
        uris: { 'https://deb.example/security': true },
        suites: { 'bookworm-security/': true },
        components: {},
        enabled: false,
        signed_by: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      },
    },
  });
  expect(repos.observed.parse(found)).toEqual(found);
});

test('one-line files, options, and credentials that are masked', () => {
  const found = observeTree({
    '/etc/apt/sources.list': [
      'deb cdrom:[Debian GNU/Linux 12 _Bookworm_ - amd64 DVD]/ bookworm main',
      '# deb https://deb.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/etc/apt/keyrings/vendor.gpg] https://bot:hunter2@apt.example/vendor stable main # ours',
    ].join('\n'),
    '/etc/apt/sources.list.d/vendor.list': 'deb-src https://apt.example/vendor ./\n',
    '/etc/apt/sources.list.d/vendor.list.save': 'deb https://old.example/vendor ./\n',
  });
  expect(found?.apt).toEqual({
    'sources-1': {
      types: { deb: true },
      uris: { 'cdrom:[Debian GNU/Linux 12 _Bookworm_ - amd64 DVD]/': true },
      suites: { bookworm: true },
      components: { main: true },
      enabled: true,
    },
    'sources-2': {
      types: { deb: true },
      uris: { 'https://***@apt.example/vendor': true },
      suites: { stable: true },
      components: { main: true },
      enabled: true,
      signed_by: '/etc/apt/keyrings/vendor.gpg',
    },
    'vendor-1': {
      types: { 'deb-src': true },
      uris: { 'https://apt.example/vendor': true },
      suites: { './': true },
      components: {},
      enabled: true,
    },
  });
});

test('two files that would have one name are told apart', () => {
  const one = 'Types: deb\nURIs: https://a.example/\nSuites: ./\n';
  const found = observeTree({
    '/etc/apt/sources.list.d/a.sources': `${one}\n${one}`,
    '/etc/apt/sources.list.d/a.list': 'deb https://a.example/ ./\ndeb https://b.example/ ./\n',
  });
  expect(Object.keys(found?.apt ?? {})).toEqual(['a', 'a-1', 'a.list-2', 'a.sources-2']);
});

test('a machine without APT has no such section', () => {
  expect(observeTree({ '/etc/hostname': 'a\n' })).toBeUndefined();
});

test.skipIf(!existsSync('/usr/bin/apt-get'))("this machine's sources are those that apt-get knows", () => {
  const text = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)'], { encoding: 'utf8' });
  const known = new Set(text.split('\n').filter(Boolean));
  const found = Object.values(observe(openSystem())?.apt ?? {})
    .filter(({ enabled }) => enabled)
    .flatMap(({ uris = {}, suites = {} }) =>
      Object.keys(uris).flatMap((uri) => Object.keys(suites).map((suite) => `${uri.replace(/\/?$/, '/')} ${suite}`)),
    );
  expect(new Set(found)).toEqual(known);
});
