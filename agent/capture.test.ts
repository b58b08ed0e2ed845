import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { capture } from './capture.ts';
import { observeAll } from './facts.ts';
import { ADDRESSES, LLDP_NEIGHBORS, openSystem, type System } from './system.ts';
import { fixture, testCaptured } from './testing/fixture.ts';
import { makeTree } from './testing/tree.ts';

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'capture-'));
});
afterAll(() => rmSync(home, { recursive: true }));

let count = 0;
function throughArchive<Report>(observe: (system: System) => Report, system?: System) {
  const folder = join(home, `${count++}`);
  mkdirSync(folder);
  const archive = `${folder}.tar.gz`;
  const { report, entries } = capture(observe, archive, system);
  execFileSync('tar', ['-xzf', archive, '-C', folder]);
  const listed = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' }).trim().split('\n');
  expect(listed).toHaveLength(entries);
  return { report, again: observe(openSystem(folder)), archive, folder, listed };
}

test('this machine, captured, unpacked and observed again, gives the same report', () => {
  const { report, again, archive } = throughArchive(observeAll);
  expect(report.errors).toEqual({});
  expect(again).toEqual(report);
  expect(statSync(archive).mode & 0o777).toBe(0o600);
});

testCaptured('so do captured servers', () => {
  for (const name of ['hwloc/40intel64-2g2n4c+pcilocality.tar.bz2', 'ghw/linux-amd64-accel-nvidia.tar.gz']) {
    const { report, again } = throughArchive(observeAll, openSystem(fixture(name)));
    expect(Object.keys(report.sections)).toContain('pci');
    expect(again).toEqual(report);
  }
});

test('an archive holds what was read and nothing else, and the same machine is the same archive', () => {
  const deep = `/sys/devices/${'0000:00:1c.0/'.repeat(12)}net/eth0`;
  const root = makeTree({
    [`${deep}/address`]: '52:54:00:12:34:56\n',
    [`${deep}/speed`]: '1000\n',
    '/sys/class/net/eth0': { link: `../../..${deep}` },
    '/sys/class/net/bonding_masters': 'bond0\n',
    '/etc/shadow': 'root:secret\n',
    '/proc/cmdline': 'quiet token=hunter2\n',
    '/etc/apt/sources.list': 'deb https://user:hunter2@deb.example.org/ stable main\n',
  });
  const observe = (system: System) => ({
    names: system.list('/sys/class/net'),
    link: system.link('/sys/class/net/eth0'),
    real: system.real('/sys/class/net/eth0'),
    address: system.read('/sys/class/net/eth0/address'),
    absent: system.read('/sys/class/net/eth1/address'),
    secrets: [system.read('/proc/cmdline'), system.read('/etc/apt/sources.list')].join().includes('hunter2'),
  });
  const first = throughArchive(observe, openSystem(root));
  expect(first.again).toEqual({ ...first.report, secrets: false });
  expect(first.report.real).toBe(deep);
  expect(first.listed).toEqual([
    'etc/apt/sources.list',
    'proc/cmdline',
    'sys/class/net',
    'sys/class/net/bonding_masters',
    'sys/class/net/eth0',
    deep.slice(1),
    `${deep.slice(1)}/address`,
  ]);
  expect(readFileSync(join(first.folder, 'proc/cmdline'), 'utf8')).toBe('quiet token=***\n');
  const second = throughArchive(observe, openSystem(root));
  expect(readFileSync(second.archive).equals(readFileSync(first.archive))).toBe(true);
});

test('what is there but refused is there and refused again', () => {
  const root = makeTree({ '/sys/a/readable': '1\n' });
  mkdirSync(join(root, 'sys/a/unreadable'));
  execFileSync('mkfifo', [join(root, 'sys/a/pipe')]);
  const observe = (system: System) => {
    let error: unknown;
    try {
      system.read('/sys/a/pipe');
    } catch (thrown) {
      error = String(thrown);
    }
    return { names: system.list('/sys/a'), read: system.read('/sys/a/unreadable'), error };
  };
  const { report, again } = throughArchive(observe, openSystem(root));
  expect(report).toEqual({
    names: ['pipe', 'readable', 'unreadable'],
    read: undefined,
    error: 'Error: /sys/a/pipe is not a regular file: it was not read',
  });
  expect(again).toEqual(report);
});

test('an archive is never overwritten', () => {
  const out = join(home, 'taken.tar.gz');
  capture(() => 1, out);
  expect(() => capture(() => 1, out)).toThrow(`${out} exists: remove it, or name another file`);
});

test('what the agent asks for is in an archive like files', () => {
  const live = openSystem();
  const answered = { ...live, read: live.read, readBytes: live.readBytes };
  answered.readBytes = (path) => (path === LLDP_NEIGHBORS ? Buffer.from('{}') : live.readBytes(path));
  const observe = ({ read }: System) => [read(ADDRESSES), read('/proc/net/dev'), read(LLDP_NEIGHBORS)];
  const { report, again, listed } = throughArchive(observe, answered);
  expect(report[0]).toMatch(/^lo 127\.0\.0\.1\/8$/m);
  expect(again).toEqual(report);
  expect(listed).toContain(LLDP_NEIGHBORS.slice(1));
  const without = throughArchive(({ read }) => [read('/proc/uptime'), read(LLDP_NEIGHBORS)], live);
  expect(without.report[1]).toBeUndefined();
  expect(without.listed).toEqual(['proc/uptime']);
});

test('a blanked archive has others in the place of serial numbers and MACs, and is otherwise the same machine', () => {
  const bytes = (text: string) => Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex');
  const uuid = '4c4c4544-0037-4e10-8036-b7c04f4a4132';
  const table = Buffer.concat([bytes('01 1b'), bytes('44454c4c 3700 104e 8036b7c04f4a4132'), Buffer.from('7N62AI2\0')]);
  const nic = '/sys/devices/pci0000:00/0000:00:03.0/net/enx525400123456';
  const root = makeTree({
    '/sys/class/dmi/id/product_serial': '7N62AI2\n',
    '/sys/class/dmi/id/product_uuid': `${uuid.toUpperCase()}\n`,
    '/sys/class/dmi/id/board_asset_tag': 'A1\n',
    '/table': table,
    [`${nic}/address`]: '52:54:00:12:34:56\n',
    '/sys/class/net/enx525400123456': { link: `../..${nic.slice(4)}` },
    '/run/lldp': Buffer.concat([Buffer.alloc(4), bytes('525400123456'), Buffer.from('52:54:00:AB:CD:EF 12:34')]),
    '/proc/version': 'Linux A1 6.1\n',
  });
  const observe = (system: System) => ({
    system: {
      serial: system.read('/sys/class/dmi/id/product_serial'),
      uuid: system.read('/sys/class/dmi/id/product_uuid')?.toLowerCase(),
      asset_tag: system.read('/sys/class/dmi/id/board_asset_tag'),
    },
    nics: system.list('/sys/class/net').map((name) => ({ name, mac: system.read(`/sys/class/net/${name}/address`) })),
    version: system.read('/proc/version'),
    bytes: [system.readBytes('/table')?.toString('latin1'), system.readBytes('/run/lldp')?.toString('latin1')],
  });
  const folder = join(home, 'blanked');
  mkdirSync(folder);
  const { report } = capture(observe, `${folder}.tar.gz`, openSystem(root), true);
  expect(report.system.serial).toBe('7N62AI2');
  execFileSync('tar', ['-xzf', `${folder}.tar.gz`, '-C', folder]);
  const again = observe(openSystem(folder));
  const { serial, uuid: other, asset_tag } = again.system;
  expect(serial).toMatch(/^\d[A-Z]\d\d[A-Z]{2}\d$/);
  expect(other).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  expect(asset_tag).toMatch(/^[A-F]\d$/);
  const [{ name, mac } = { name: '', mac: '' }] = again.nics;
  expect(mac).toMatch(/^52:54:00:/);
  expect(name).toBe(`enx${mac!.replaceAll(':', '')}`);
  // What belonged together still does, in bytes, too; and what is no identity is as it was.
  expect(again.version).toBe('Linux A1 6.1');
  expect(again.bytes[0]).toContain(bytes(other!.slice(19)).toString('latin1'));
  expect(again.bytes[0]!.endsWith(`${serial}\0`)).toBe(true);
  expect(again.bytes[1]).toContain(bytes(mac!).toString('latin1'));
  const whole = execFileSync('gzip', ['-dc', `${folder}.tar.gz`])
    .toString('latin1')
    .toLowerCase();
  for (const told of ['7n62ai2', uuid, uuid.slice(19), '525400123456', '52:54:00:12', '52:54:00:ab', 'b7c04f4a'])
    expect(whole).not.toContain(told);
  for (const told of [bytes('525400123456'), bytes('44454c4c 3700 104e'), bytes('8036b7c04f4a4132')])
    expect(whole).not.toContain(told.toString('latin1').toLowerCase());
  expect(whole).toContain('12:34');
});

test('this machine, captured and blanked, is the same machine but for what identifies it', () => {
  const folder = join(home, 'blanked-live');
  mkdirSync(folder);
  const { report } = capture(observeAll, `${folder}.tar.gz`, openSystem(), true);
  execFileSync('tar', ['-xzf', `${folder}.tar.gz`, '-C', folder]);
  const again = observeAll(openSystem(folder));
  expect(again.errors).toEqual({});
  expect(again.sections.pci).toEqual(report.sections.pci);
  expect(again.sections.cpu).toEqual(report.sections.cpu);
  expect(Object.keys(again.sections)).toEqual(Object.keys(report.sections));
  for (const { mac } of Object.values(report.sections.nics ?? {}))
    expect(JSON.stringify(again)).not.toContain(mac ?? 'nothing');
});
