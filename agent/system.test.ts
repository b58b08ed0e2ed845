import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maxFileBytes } from './regular-file.ts';
import { openSystem } from './system.ts';
import { makeTree } from './testing/tree.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'system-'));
  mkdirSync(join(root, 'sys/class/net'), { recursive: true });
  mkdirSync(join(root, 'sys/devices/pci/net/eth0'), { recursive: true });
  writeFileSync(join(root, 'sys/devices/pci/net/eth0/address'), '52:54:00:12:34:56\n');
  symlinkSync('../../devices/pci/net/eth0', join(root, 'sys/class/net/eth0'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/hostname'), 'inside\n');
  symlinkSync('/etc/hostname', join(root, 'etc/absolute'));
  symlinkSync('../../../../../../../../etc/hostname', join(root, 'etc/climbing'));
  symlinkSync('loop', join(root, 'etc/loop'));
  symlinkSync('nowhere', join(root, 'etc/dangling'));
  execFileSync('mkfifo', [join(root, 'etc/fifo')]);
  writeFileSync(join(root, 'etc/huge'), '');
  truncateSync(join(root, 'etc/huge'), maxFileBytes + 1);
});
afterAll(() => rmSync(root, { recursive: true }));

test('reads files, directories and links of a captured tree', () => {
  const system = openSystem(root);
  expect(system.list('/sys/class/net')).toEqual(['eth0']);
  expect(system.read('/sys/class/net/eth0/address')).toBe('52:54:00:12:34:56');
  expect(system.link('/sys/class/net/eth0')).toBe('../../devices/pci/net/eth0');
  expect(system.real('/sys/class/net/eth0')).toBe('/sys/devices/pci/net/eth0');
});

test('no link leads out of the root', () => {
  const system = openSystem(`${root}/`);
  expect(system.read('/etc/absolute')).toBe('inside');
  expect(system.read('/etc/climbing')).toBe('inside');
  expect(system.real('/etc/absolute')).toBe('/etc/hostname');
});

test.each(['live', 'captured'])('what is absent or unreadable is undefined (%s)', (kind) => {
  const system = kind === 'live' ? openSystem() : openSystem(root);
  const at = (path: string) => (kind === 'live' ? root + path : path);
  for (const path of ['/etc/none', '/etc/hostname/below', '/etc/loop', '/etc/dangling', '/etc']) {
    expect(system.read(at(path)), path).toBeUndefined();
  }
  expect(system.list(at('/etc/hostname'))).toEqual([]);
  expect(system.link(at('/etc/hostname'))).toBeUndefined();
  expect(system.real(at('/etc/none'))).toBeUndefined();
});

test.each(['live', 'captured'])('a FIFO and a huge file are refused by name and never block (%s)', (kind) => {
  const system = kind === 'live' ? openSystem() : openSystem(root);
  const at = (path: string) => (kind === 'live' ? root + path : path);
  expect(() => system.read(at('/etc/fifo'))).toThrow(`${at('/etc/fifo')} is not a regular file: it was not read`);
  expect(() => system.read(at('/etc/huge'))).toThrow(
    `${at('/etc/huge')} is larger than ${maxFileBytes} bytes: it was not read`,
  );
});

test('reads procfs files, whose size is 0', () => {
  expect(openSystem().read('/proc/meminfo')).toMatch(/^MemTotal:/);
});

test('a captured sysfs that is a link stays within its root', () => {
  const root = makeTree({ '/sys': { link: '/elsewhere' }, '/elsewhere/kernel/osrelease': 'captured\n' });
  const system = openSystem(root);
  expect(system.read('/sys/kernel/osrelease')).toBe('captured');
  const out = openSystem(makeTree({ '/sys': { link: '../../../../../../sys' }, '/proc/x': '' }));
  expect([out.read('/sys/kernel/osrelease'), out.list('/sys/class'), out.real('/sys/class/net')]).toEqual([
    undefined,
    [],
    undefined,
  ]);
});

test('what is seen of a captured machine in one observation is looked at again in the next', () => {
  const root = makeTree({ '/sys/a/b/0': '0\n', '/sys/a/b/1': '1\n', '/sys/a/b/2': '2\n', '/sys/a/b/3': '3\n' });
  const system = openSystem(root);
  const look = () => [0, 1, 2, 3, 4, 5].map((name) => system.read(`/sys/a/b/${name}`));
  expect(system.during(look)).toEqual(['0', '1', '2', '3', undefined, undefined]);
  writeFileSync(join(root, 'sys/a/b/5'), 'five\n');
  rmSync(join(root, 'sys/a/b/3'));
  symlinkSync('0', join(root, 'sys/a/b/3'));
  expect(system.during(look)).toEqual(['0', '1', '2', '0', undefined, 'five']);
  expect(look()).toEqual(['0', '1', '2', '0', undefined, 'five']);
});

test('a file of a captured machine that is exchanged for a link out of it is not followed', () => {
  const root = makeTree({ '/sys/a/0': '0\n', '/sys/a/1': '1\n', '/outside': 'outside\n' });
  const system = openSystem(join(root, '.'));
  system.during(() => {
    expect(system.list('/sys/a')).toEqual(['0', '1']);
    rmSync(join(root, 'sys/a/1'));
    symlinkSync(join(root, 'outside'), join(root, 'sys/a/1'));
    expect(system.read('/sys/a/1')).toBeUndefined();
  });
});
