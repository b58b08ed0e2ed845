import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { cpu } from '../../shared/sections/cpu.ts';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { identity, observe } from './cpu.ts';

// Counts of hwloc's own expected topology, which stands beside each tree.
testCaptured.each([
  ['128arm-2pa2n8cluster4co', { sockets: 2, cores: 128, threads: 128 }, { l1d: 128, l2: 128, l3: 4 }],
  ['16amd64-8n2c', { sockets: 8, cores: 16, threads: 16 }, { l1d: 16, l2: 16 }],
  ['20em64t-hybrid-1p6c2t+2ca4co1t', { sockets: 1, cores: 14, threads: 20 }, { l1d: 14, l2: 8, l3: 1 }],
  ['32em64t-2n8c+dax+nvme+mic+dimms', { sockets: 2, cores: 16, threads: 16 }, { l1d: 16, l2: 16, l3: 2 }],
  ['40intel64-2g2n4c+pcilocality', { sockets: 4, cores: 40, threads: 40 }, { l1d: 40, l2: 40, l3: 4 }],
  ['96em64t-4no4pa3ca2co', { sockets: 16, cores: 96, threads: 96 }, { l1d: 96, l2: 48, l3: 16 }],
  ['nvidiagpunumanodes', { sockets: 2, cores: 8, threads: 32 }, { l1d: 8, l2: 4, l3: 4 }],
])('%s has the topology that hwloc found', (name, counts, instances) => {
  const tree = fixture(`hwloc/${name}.tar.bz2`);
  const found = observe(openSystem(tree));
  expect(found).toMatchObject(counts);
  const caches = Object.entries(found?.caches ?? {}).filter(([cache]) => cache !== 'l1i');
  expect(Object.fromEntries(caches.map(([cache, { instances: number }]) => [cache, number]))).toEqual(instances);
  expect(cpu.observed.parse(found)).toEqual(found);
});

testCaptured('arm64: numbers become names, and there is no die where the firmware tells none', () => {
  const found = observe(openSystem(fixture('hwloc/128arm-2pa2n8cluster4co.tar.bz2')));
  expect(found).toMatchObject({ vendor: 'HiSilicon', model: 'Kunpeng-920', stepping: 'r1p0', smt: false });
  expect(found?.dies).toBeUndefined();
  const arm = observe(openSystem(fixture('ghw/linux-arm64-c288e0776090cd558ef793b2a4e61939.tar.gz')));
  expect(arm).toMatchObject({ vendor: 'ARM', model: 'Neoverse-N1', stepping: 'r3p1', sockets: 1, cores: 1 });
});

testCaptured('a hybrid CPU: SMT on a part of the cores, caches that differ', () => {
  const found = observe(openSystem(fixture('hwloc/20em64t-hybrid-1p6c2t+2ca4co1t.tar.bz2')));
  expect(found).toMatchObject({ smt: true, smt_control: 'on', family: 6, model_number: 186, microcode: '0x4119' });
  expect(found?.caches?.l2).toEqual({
    total_bytes: 12058624,
    instances: 8,
    size_bytes: undefined,
    shared_by: undefined,
  });
  expect(found?.caches?.l3).toEqual({ total_bytes: 25165824, instances: 1, size_bytes: 25165824, shared_by: 20 });
});

test('without sysfs, /proc/cpuinfo is counted', () => {
  const cpuinfo = [0, 1, 2, 3]
    .map((id) => `processor\t: ${id}\nvendor_id\t: X\nphysical id\t: ${id >> 1}\ncore id\t\t: 0\n`)
    .join('\n');
  const system = { ...openSystem('/none'), read: (path: string) => (path === '/proc/cpuinfo' ? cpuinfo : undefined) };
  expect(observe(system)).toMatchObject({ vendor: 'X', sockets: 2, cores: 2, threads: 4, smt: true });
  expect(observe(openSystem('/none'))).toBeUndefined();
});

test('stepping 0 is a stepping, a model without a name is none', () => {
  expect(identity('vendor_id\t: AuthenticAMD\nmodel\t\t: 0\nmodel name\t: unknown\nstepping\t: 0\n')).toEqual({
    vendor: 'AuthenticAMD',
    model: undefined,
    family: undefined,
    model_number: 0,
    stepping: '0',
    microcode: undefined,
  });
});

test('POWER names its CPU elsewhere', () => {
  expect(identity('processor\t: 0\ncpu\t\t: POWER9, altivec supported\nrevision\t: 2.1\n')).toMatchObject({
    model: 'POWER9, altivec supported',
    stepping: '2.1',
  });
});

test('this machine is as lscpu sees it', () => {
  const rows: { field: string; data: string }[] = JSON.parse(execFileSync('lscpu', ['-J'], { encoding: 'utf8' })).lscpu;
  const told = (field: string) => rows.find((row) => row.field === `${field}:`)?.data;
  const found = observe(openSystem());
  expect(found).toMatchObject({
    vendor: told('Vendor ID'),
    model: told('Model name'),
    sockets: Number(told('Socket(s)')),
    cores: Number(told('Socket(s)')) * Number(told('Core(s) per socket')),
    threads: Number(told('CPU(s)')),
    family: Number(told('CPU family')),
    model_number: Number(told('Model')),
    stepping: told('Stepping'),
  });
  const flags = new Set(told('Flags')?.split(' '));
  expect(Object.keys(found?.flags ?? {}).filter((flag) => !flags.has(flag))).toEqual([]);
  expect(told('L3 cache')).toContain(`(${found?.caches?.l3?.instances} instance`);
});
