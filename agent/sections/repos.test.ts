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
    managers: { apt: true },
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

test('pins: ours by their name, those of others by their file', () => {
  const found = observeTree({
    '/etc/apt/preferences': 'Explanation: no\nPackage: a b\nPin: release  a=stable\nPin-Priority: 700\n',
    '/etc/apt/preferences.d/machinedb-kernel.pref': '# ours\nPackage: linux-*\nPin: version 6.*\nPin-Priority: -1\n',
    '/etc/apt/preferences.d/nodejs':
      'Package: nodejs\nPin: origin x\nPin-Priority: 600\n\nPackage: npm\nPin: origin y\n',
    '/etc/apt/preferences.d/old.pref.save': 'Package: no\nPin: origin x\n',
  });
  expect(found).toEqual({
    managers: { apt: true },
    apt_pins: {
      preferences: { packages: { a: true, b: true }, pin: 'release a=stable', priority: 700 },
      kernel: { packages: { 'linux-*': true }, pin: 'version 6.*', priority: -1 },
      'preferences.d/nodejs': { packages: { nodejs: true }, pin: 'origin x', priority: 600 },
      'preferences.d/nodejs-2': { packages: { npm: true }, pin: 'origin y' },
    },
  });
  expect(repos.observed.parse(found)).toEqual(found);
});

test('repositories of dnf: continued values, booleans of all kinds, masked credentials, an id in two files', () => {
  const found = observeTree({
    '/etc/yum.repos.d/rocky.repo': [
      '# Rocky',
      '[baseos]',
      'name = Rocky $releasever',
      'baseurl=https://bot:hunter2@a.example/os/',
      '        https://b.example/os/',
      'gpgcheck = yes',
      'enabled=False',
      'gpgkey=file:///etc/a, file:///etc/b',
      'priority=10',
      '',
      '[extras]',
      'metalink: https://a.example/metalink?repo=extras',
    ].join('\n'),
    '/etc/yum.repos.d/again.repo': '[extras]\nmirrorlist=https://a.example/list\nrepo_gpgcheck=1\ngpgcheck=perhaps\n',
    '/etc/yum.repos.d/old.repo.rpmsave': '[old]\n',
  });
  expect(found).toEqual({
    managers: { dnf: true },
    dnf: {
      baseos: {
        file: '/etc/yum.repos.d/rocky.repo',
        baseurl: { 'https://***@a.example/os/': true, 'https://b.example/os/': true },
        enabled: false,
        gpgcheck: true,
        gpgkey: { 'file:///etc/a': true, 'file:///etc/b': true },
        priority: 10,
      },
      '/etc/yum.repos.d/rocky.repo-2': {
        file: '/etc/yum.repos.d/rocky.repo',
        metalink: 'https://a.example/metalink?repo=extras',
        enabled: true,
      },
      '/etc/yum.repos.d/again.repo-1': {
        file: '/etc/yum.repos.d/again.repo',
        mirrorlist: 'https://a.example/list',
        enabled: true,
        repo_gpgcheck: true,
      },
    },
  });
  expect(repos.observed.parse(found)).toEqual(found);
});

test('a machine without a package manager has no such section', () => {
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
