import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { cpu } from '../../shared/sections/cpu.ts';
import { observeEach } from '../facts.ts';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
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

test("this machine's flags are a part of lscpu's", () => {
  const rows: { field: string; data: string }[] = JSON.parse(execFileSync('lscpu', ['-J'], { encoding: 'utf8' })).lscpu;
  const flags = new Set(rows.find(({ field }) => field === 'Flags:')?.data.split(' '));
  expect(Object.keys(observe(openSystem())?.flags ?? {}).filter((flag) => !flags.has(flag))).toEqual([]);
});

const at = '/sys/devices/system/cpu';

/** CPUs with files of their topology folders, by CPU. */
function topologyTree(cpus: Record<string, string>[], more: Tree = {}): Tree {
  const files = cpus.flatMap((each, cpu) =>
    Object.entries(each).map(([name, text]) => [`${at}/cpu${cpu}/topology/${name}`, `${text}\n`] as const),
  );
  return { ...Object.fromEntries(files), [`${at}/online`]: `0-${cpus.length - 1}\n`, ...more };
}

const observed = (tree: Tree) => {
  const { sections, errors } = observeEach({ cpu: observe }, openSystem(makeTree(tree)));
  expect(errors).toEqual({});
  if (sections.cpu !== undefined) expect(cpu.observed.parse(sections.cpu)).toEqual(sections.cpu);
  return sections.cpu;
};

test("AMD's compute units: siblings with core ids of their own are cores", () => {
  const unit = (first: number) => ({ thread_siblings: (3 << first).toString(16), core_siblings: 'f' });
  const tree = topologyTree([
    { ...unit(0), core_id: '0', physical_package_id: '0' },
    { ...unit(0), core_id: '1', physical_package_id: '0' },
    { ...unit(2), core_id: '2', physical_package_id: '0' },
    { ...unit(2), core_id: '3', physical_package_id: '0' },
  ]);
  expect(observed(tree)).toEqual({ sockets: 1, cores: 4, threads: 4, smt: false });
});

test('old kernels that list siblings of other packages', () => {
  const tree = topologyTree(
    [0, 0, 3, 3].map((id, cpu) => ({
      thread_siblings: (1 << cpu).toString(16),
      core_siblings: 'f',
      physical_package_id: String(id),
    })),
  );
  expect(observed(tree)).toMatchObject({ sockets: 2, cores: 4 });
});

test('only the names that kernels from 5.3 on have; dies, and clusters of cores', () => {
  const list = (cpu: number, size: number) => `${cpu - (cpu % size)}-${cpu - (cpu % size) + size - 1}`;
  const tree = topologyTree(
    Array.from({ length: 16 }, (_, cpu) => ({
      core_cpus_list: list(cpu, 2),
      cluster_id: '0',
      cluster_cpus_list: list(cpu, 4),
      die_id: '0',
      die_cpus_list: list(cpu, 8),
      package_cpus_list: '0-15',
    })),
  );
  expect(observed(tree)).toMatchObject({ sockets: 1, dies: 2, clusters: 4, cores: 8, threads: 16, smt: true });
});

test('IBM Z: books in drawers, and a machine type for a model', () => {
  const tree = topologyTree(
    [0, 1, 2, 3].map((cpu) => ({
      core_id: String(cpu),
      thread_siblings_list: String(cpu),
      core_siblings_list: String(cpu),
      book_siblings_list: cpu < 2 ? '0-1' : '2-3',
      drawer_siblings_list: '0-3',
    })),
    {
      '/proc/cpuinfo':
        'vendor_id       : IBM/S390\n# processors    : 4\nfeatures\t: esan3 zarch\n' +
        [0, 1, 2, 3].map((cpu) => `processor ${cpu}: version = FF,  identification = 0123,  machine = 2964\n`).join(''),
    },
  );
  expect(observed(tree)).toEqual({
    vendor: 'IBM/S390',
    model: 'machine type 2964',
    drawers: 1,
    books: 2,
    sockets: 4,
    cores: 4,
    threads: 4,
    smt: false,
  });
});

test('POWER without sysfs topology: cores from the device tree', () => {
  const core = (id: number) => ({
    [`/proc/device-tree/cpus/PowerPC,POWER8@${id}/device_type`]: 'cpu\0',
    [`/proc/device-tree/cpus/PowerPC,POWER8@${id}/ibm,ppc-interrupt-server#s`]: Buffer.alloc(16),
  });
  const processors = Array.from({ length: 8 }, (_, cpu) => `processor\t: ${cpu}\ncpu\t\t: POWER8E (raw)\n`);
  const tree = {
    ...core(0),
    ...core(8),
    '/proc/device-tree/cpus/l2-cache@1/device_type': 'cache\0',
    '/proc/cpuinfo': processors.join('\n'),
  };
  expect(observed(tree)).toEqual({ model: 'POWER8E (raw)', cores: 2, threads: 8, smt: true });
});

test('Itanium, LoongArch and MIPS name their CPUs in other words', () => {
  expect(identity('processor  : 0\nvendor     : GenuineIntel\nfamily     : Itanium 2\n')).toMatchObject({
    vendor: 'GenuineIntel',
    model: 'Itanium 2',
  });
  expect(identity('CPU Family\t\t: Loongson-64bit\nModel Name\t\t: Loongson-3A5000\n').model).toBe('Loongson-3A5000');
  expect(identity('system type\t: x\nprocessor\t: 0\ncpu model\t\t: MIPS 24Kc V7.4\n').model).toBe('MIPS 24Kc V7.4');
});

test('CPUs that are off: by the list of those online, or each by its own file', () => {
  const single = { thread_siblings_list: '0', core_siblings_list: '0' };
  const tree = topologyTree([single, single, single, single], {
    [`${at}/online`]: '0-1\n',
    [`${at}/present`]: '0-3\n',
    [`${at}/smt/active`]: '0\n',
    [`${at}/smt/control`]: 'off\n',
  });
  expect(observed(tree)).toMatchObject({ threads: 2, offline: 2, offline_cpus: '2-3', smt: false, smt_control: 'off' });
  const own = { [`${at}/cpu1/online`]: '0\n', [`${at}/cpu2/online`]: '1\n' };
  const old = Object.entries({ ...tree, ...own }).filter(([path]) => path !== `${at}/online`);
  expect(observed(Object.fromEntries(old))).toMatchObject({ threads: 3, offline: 1, offline_cpus: '1' });
});

testCaptured("a hybrid's kinds of core are hwloc's, also without perf", () => {
  const found = observe(openSystem(fixture('hwloc/20em64t-hybrid-1p6c2t+2ca4co1t.tar.bz2')));
  expect(found?.kinds).toEqual({
    performance: { threads: 12, cores: 6, cpus: '0-11' },
    efficiency: { threads: 8, cores: 8, cpus: '12-19' },
  });
});

test('a hybrid by its perf event sources', () => {
  const tree = topologyTree(
    [0, 0, 2, 3].map((core) => ({ core_cpus_list: core === 0 ? '0-1' : String(core), package_cpus_list: '0-3' })),
    { '/sys/devices/cpu_core/cpus': '0-1\n', '/sys/devices/cpu_atom/cpus': '2-3\n' },
  );
  expect(observed(tree)).toMatchObject({
    kinds: {
      performance: { threads: 2, cores: 1, cpus: '0-1' },
      efficiency: { threads: 2, cores: 2, cpus: '2-3' },
    },
  });
});

test("ARM's kinds are its parts; one that is off is not counted", () => {
  const processors = ['0xd05', '0xd05', '0xd0b', '0xd0b'].map(
    (part, cpu) =>
      `processor\t: ${cpu}\nCPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: ${part}\nCPU revision\t: 0\n`,
  );
  const tree = topologyTree(
    [0, 1, 2, 3].map((cpu) => ({ core_cpus_list: String(cpu), package_cpus_list: '0-3' })),
    { '/proc/cpuinfo': processors.join('\n'), [`${at}/online`]: '0-2\n' },
  );
  expect(observed(tree)).toMatchObject({
    kinds: {
      'Cortex-A55': { threads: 2, cores: 2, cpus: '0-1' },
      'Cortex-A76': { threads: 1, cores: 1, cpus: '2' },
    },
  });
});

test('topology that is garbage, cut short or missing for some CPUs counts what is there', () => {
  const tree = topologyTree([
    { thread_siblings_list: 'x', core_siblings_list: '0-99999999' },
    { thread_siblings: 'zz,,', core_siblings_list: '' },
    {},
  ]);
  tree[`${at}/cpu2/topology/none`] = '';
  expect(observed({ ...tree, '/proc/cpuinfo': '\0\xff: :\n:::processor' })).toMatchObject({ cores: 3, threads: 3 });
});
