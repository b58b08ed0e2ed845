import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { differences } from '../../shared/diff.ts';
import { reposMaterial, resolveRepos } from '../../shared/resolve-repos.ts';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import { type Run, run } from '../command.ts';
import { observe } from '../sections/repos.ts';
import { openSystem } from '../system.ts';
import { dnf, dumpDnf } from '../testing/dnf.ts';
import { makeTree } from '../testing/tree.ts';
import { type Change, header } from './change.ts';
import { writeFile } from './files.ts';
import { planRepos } from './repos.ts';
import { checkRepos } from './repos-check.ts';

const SOURCES = '/etc/apt/sources.list.d';
const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n';
const debian = {
  uris: { 'http://deb.example.org/debian': true as const },
  suites: { bookworm: true as const },
  components: { main: true as const },
};
const kernel = { packages: { 'linux-image-*': true as const }, pin: 'release n=bookworm-backports', priority: 990 };
const rocky = { baseurl: { 'https://mirror.example.org/$releasever/': true as const } };

let root: string;
beforeEach(() => {
  root = makeTree({ '/etc/apt/sources.list': '', '/etc/dnf/dnf.conf': '' });
});

const realTools: Run = (command, args) => (command === 'dnf' ? dnf(args) : run(command, args));
const check = (changes: Change[]) => checkRepos(realTools, changes, join(root, 'state/check-'));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Plans, has it checked by the real tools, and writes; what is there afterwards is as wanted. */
function apply(intended: ReposIntended): string[] {
  const wanted = resolveRepos(intended, observe(openSystem(root)))!;
  const plan = () => planRepos(root, wanted, reposMaterial(intended));
  const changes = plan();
  check(changes);
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  expect(plan()).toEqual([]);
  expect(differences(wanted, observe(openSystem(root)))).toEqual([]);
  return changes.map(({ path }) => path);
}

test('APT reads what is written, whatever is wrong in the sources of others', () => {
  mkdirSync(join(root, SOURCES), { recursive: true });
  writeFileSync(join(root, SOURCES, 'theirs.sources'), 'Types: nonsense\n');
  apply({
    apt: { base: { ...debian, types: { deb: true, 'deb-src': true }, enabled: false, key }, flat: { ...debian } },
  });
  expect(read(`${SOURCES}/base.sources`)).toBe(`${header}
Enabled: no
Types: deb deb-src
URIs: http://deb.example.org/debian
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/machinedb-base.asc
`);
  expect(read('/etc/apt/keyrings/machinedb-base.asc')).toBe(key);
});

test.each([
  ['a suite without components', { ...debian, components: {} }, '(Component)'],
  ['a path with components', { ...debian, suites: { './': true } }, '(absolute Suite Component)'],
] as const)('%s is refused by APT, by name, before it is there', (_, repository, reason) => {
  expect(() => apply({ apt: { good: debian, wrong: repository } })).toThrow(
    `E: Malformed entry 1 in sources file ${SOURCES}/wrong.sources ${reason}`,
  );
  expect(existsSync(join(root, SOURCES))).toBe(false);
});

test("a link among the sources is somebody else's", () => {
  apply({ apt: { base: debian, other: debian } });
  symlinkSync('base.sources', join(root, SOURCES, 'link.sources'));
  expect(apply({ apt: { other: debian } })).toEqual([`${SOURCES}/base.sources`]);
  expect(existsSync(join(root, SOURCES, 'base.sources'))).toBe(false);
});

const PIN = '/etc/apt/preferences.d/machinedb-kernel.pref';

test('a pin is as APT reads it, and goes with the intent; those of others stay', () => {
  mkdirSync(join(root, '/etc/apt/preferences.d'), { recursive: true });
  writeFileSync(join(root, '/etc/apt/preferences.d/theirs'), 'Package: *\nPin: origin x.example\nPin-Priority: 1\n');
  apply({ apt_pins: { kernel: { ...kernel, packages: { 'linux-image-*': true, 'firmware-*': true } } } });
  expect(read(PIN)).toBe(`${header}
Package: firmware-* linux-image-*
Pin: release n=bookworm-backports
Pin-Priority: 990
`);
  expect(apply({})).toEqual([PIN]);
  expect(existsSync(join(root, '/etc/apt/preferences.d/theirs'))).toBe(true);
});

test.each([
  ['Package: a\nPin: relase o=Debian\nPin-Priority: 9\n', 'W: Did not understand pin type relase'],
  ['Package: a\nPin: version 1\nPin-Priority: 0\n', 'E: No priority (or zero) specified for pin'],
  ['Pin: version 1\nPin-Priority: 9\n', `E: Invalid record in the preferences file ${PIN}, no Package header`],
])('what APT does not understand of a pin is told: %j', (after, reason) => {
  expect(() => check([{ path: PIN, after, mode: 0o644 } as Change])).toThrow(
    `APT does not take what is wanted: ${reason}`,
  );
});

test('a pin is in force, as APT itself says', () => {
  apply({ apt_pins: { kernel: { packages: { hello: true }, pin: 'version 1.*', priority: 1001 } } });
  const record = (version: string) =>
    `Package: hello\nArchitecture: all\nMaintainer: a\nVersion: ${version}\nStatus: install ok installed\nDescription: x\n\n`;
  writeFileSync(join(root, 'status'), record('1.0'));
  const options = {
    'Dir::State::status': join(root, 'status'),
    'Dir::Etc::preferencesparts': join(root, '/etc/apt/preferences.d'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Cache': root,
  };
  const { stdout } = run('apt-cache', [
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    'policy',
  ]);
  expect(stdout).toMatch(/Pinned packages:\n {5}hello -> 1\.0 with priority 1001/);
});

test('a repository of dnf, and what dnf makes of it', () => {
  apply({
    dnf: {
      base: { ...rocky, baseurl: { ...rocky.baseurl, 'https://b.example.org/': true }, key, priority: 10 },
      off: { mirrorlist: 'https://mirror.example.org/list', enabled: false, gpgcheck: false, repo_gpgcheck: true },
    },
  });
  expect(read('/etc/yum.repos.d/base.repo')).toBe(`${header}
[base]
name=base
baseurl=https://b.example.org/
  https://mirror.example.org/$releasever/
enabled=1
gpgcheck=1
repo_gpgcheck=0
gpgkey=file:///etc/pki/rpm-gpg/machinedb-base.asc
priority=10
`);
  expect(read('/etc/pki/rpm-gpg/machinedb-base.asc')).toBe(key);
  expect(dumpDnf(join(root, '/etc/yum.repos.d'))).toMatchObject({
    base: {
      baseurl: 'https://b.example.org/, https://mirror.example.org/9/',
      enabled: '1',
      gpgcheck: '1',
      repo_gpgcheck: '0',
      gpgkey: 'file:///etc/pki/rpm-gpg/machinedb-base.asc',
      priority: '10',
    },
    off: { mirrorlist: 'https://mirror.example.org/list', enabled: '0', gpgcheck: '0', repo_gpgcheck: '1' },
  });
  expect(apply({ dnf: { off: rocky } })).toEqual([
    '/etc/yum.repos.d/off.repo',
    '/etc/yum.repos.d/base.repo',
    '/etc/pki/rpm-gpg/machinedb-base.asc',
  ]);
});

test.each([
  ['[lab]\nname=lab\nenabled=maybe\nbaseurl=https://a.example/\n', /invalid boolean value 'maybe'$/],
  ['[other]\nname=lab\nbaseurl=https://a.example/\n', /^dnf does not take what is wanted: it lists no lab$/],
])('what dnf does not understand is told: %j', (after, reason) => {
  expect(() => check([{ path: '/etc/yum.repos.d/lab.repo', after, mode: 0o644 } as Change])).toThrow(reason);
});

test('repositories of others are not lost, and none is there twice', () => {
  mkdirSync(join(root, '/etc/yum.repos.d'));
  writeFileSync(join(root, '/etc/yum.repos.d/all.repo'), '[all]\nname=all\n[debug]\nname=debug\n');
  for (const id of ['all', 'debug'])
    expect(() => apply({ dnf: { [id]: rocky } })).toThrow(
      `/etc/yum.repos.d/all.repo has other repositories beside "${id}", or that one a second time: move it away`,
    );
});

test('a machine is asked for its own package manager only', () => {
  const intended: ReposIntended = { apt: { debian }, apt_pins: { kernel }, dnf: { rocky } };
  root = makeTree({ '/etc/yum.repos.d/README': '' });
  expect(apply(intended)).toEqual(['/etc/yum.repos.d/rocky.repo']);
  root = makeTree({ '/etc/apt/sources.list': '' });
  expect(apply(intended)).toEqual([`${SOURCES}/debian.sources`, PIN]);
  expect(() => planRepos(root, intended, {})).toThrow(
    'repos.dnf is wanted of a machine without dnf: intend it for other machines only',
  );
});
