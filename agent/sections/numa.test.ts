import { expect, test } from 'vitest';
import { memory } from '../../shared/sections/memory.ts';
import { numa } from '../../shared/sections/numa.ts';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './numa.ts';

const base = '/sys/devices/system/node';

testCaptured('nodes with their CPUs, memory and distances', () => {
  const found = observe(openSystem(fixture('hwloc/40intel64-2g2n4c+pcilocality.tar.bz2')));
  expect(Object.keys(found ?? {})).toEqual(['0', '1', '2', '3']);
  expect(found?.['1']).toMatchObject({
    cpus: '1,5,9,13,17,21,25,29,33,37',
    memory_bytes: 134217728 * 1024,
    memory_only: undefined,
    distances: { 0: 20, 1: 10, 2: 20, 3: 20 },
  });
  expect(numa.observed.parse(found)).toEqual(found);
});

testCaptured('the memory of GPUs, by its GPU, and kernels without cpulist', () => {
  const power = observe(openSystem(fixture('hwloc/nvidiagpunumanodes.tar.bz2')));
  expect(Object.keys(power ?? {})).toEqual(['0', '8', '250', '251', '252', '253', '254', '255']);
  expect(power?.['8']).toMatchObject({ memory_only: undefined, gpu: undefined });
  expect(power?.['250']).toMatchObject({
    cpus: undefined,
    memory_bytes: 15728640 * 1024,
    memory_only: true,
    gpu: '0035:05:00.0',
  });
  const old = observe(openSystem(fixture('hwloc/96em64t-4no4pa3ca2co.tar.bz2')));
  expect(old?.['0']?.cpus).toBe('0-23');
});

const meminfo = (id: number, kib: number) =>
  `\nNode ${id} MemTotal:       ${kib} kB\nNode ${id} MemFree:        7 kB\n`;

test('memory without CPUs: CXL behind a DAX device, HBM with a cache, as fast as the firmware says', () => {
  const root = makeTree({
    [`${base}/online`]: '0-1,4\n',
    [`${base}/node0/cpulist`]: '0-3\n',
    [`${base}/node0/meminfo`]: meminfo(0, 1000),
    [`${base}/node0/distance`]: '10 20 14\n',
    [`${base}/node1/cpulist`]: '\n',
    [`${base}/node1/meminfo`]: meminfo(1, 2000),
    [`${base}/node1/distance`]: '20 10 30\n',
    [`${base}/node1/memory_side_cache/index1/size`]: '4096\n',
    [`${base}/node1/access0/initiators/read_bandwidth`]: '78200\n',
    [`${base}/node1/access0/initiators/read_latency`]: '80\n',
    [`${base}/node1/access0/initiators/write_bandwidth`]: '0\n',
    [`${base}/node4/cpulist`]: '',
    [`${base}/node4/meminfo`]: meminfo(4, 0),
    '/sys/bus/dax/devices/dax0.0/target_node': '1\n',
    '/sys/bus/dax/devices/dax0.0/driver': { link: '../../drivers/kmem' },
    '/sys/bus/dax/devices/dax1.0/target_node': '4\n',
    '/sys/bus/dax/devices/dax1.0/driver': { link: '../../drivers/device_dax' },
  });
  expect(JSON.parse(JSON.stringify(observe(openSystem(root))))).toEqual({
    0: { cpus: '0-3', memory_bytes: 1024000, distances: { 0: 10, 1: 20, 4: 14 } },
    1: {
      memory_bytes: 2048000,
      memory_only: true,
      dax: 'dax0.0',
      cache_bytes: 4096,
      distances: { 0: 20, 1: 10, 4: 30 },
      read_bandwidth_mbs: 78200,
      read_latency_ns: 80,
    },
    // Nothing is in it, and it has no distances: the kernel told none.
    4: { memory_bytes: 0 },
  });
});

test('a node whose folder a capture lacks is in the distances, by its number', () => {
  const root = makeTree({
    [`${base}/online`]: '0,2,5\n',
    [`${base}/node0/distance`]: '10 20 30\n',
    [`${base}/node5/distance`]: '30 20 10\n',
  });
  expect(observe(openSystem(root))?.['5']?.distances).toEqual({ 0: 30, 2: 20, 5: 10 });
});

test('the only node has the memory of the machine, and no distances', () => {
  const root = makeTree({
    [`${base}/node0/cpulist`]: '0\n',
    [`${base}/node0/meminfo`]: meminfo(0, 1000),
    [`${base}/node0/distance`]: '10\n',
    '/proc/meminfo': 'MemTotal:       4096 kB\n',
  });
  expect(JSON.parse(JSON.stringify(observe(openSystem(root))))).toEqual({ 0: { cpus: '0', memory_bytes: 4194304 } });
});

test('many nodes: distances are cut, and it is said how many', () => {
  const count = 140;
  const tree: Tree = {};
  for (let id = 0; id < count; id++) tree[`${base}/node${id}/distance`] = `${'20 '.repeat(count)}\n`;
  const found = observe(openSystem(makeTree(tree)));
  expect(Object.keys(found?.['7']?.distances ?? {})).toHaveLength(128);
  expect(found?.['7']?.distances_dropped).toBe(count - 128);
});

test('files that are missing or garbage leave their field out', () => {
  const root = makeTree({
    [`${base}/node0/cpumap`]: 'zz,\n',
    [`${base}/node0/meminfo`]: 'Node 0 MemTotal: much\n',
    [`${base}/node0/distance`]: '10 20 near\n',
    [`${base}/node1/cpulist`]: '5-3,x\n',
    [`${base}/nodeX/cpulist`]: '0\n',
  });
  expect(JSON.parse(JSON.stringify(observe(openSystem(root))))).toEqual({ 0: {}, 1: {} });
  expect(observe(openSystem(makeTree({ '/proc/meminfo': 'MemTotal: 1 kB\n' })))).toBeUndefined();
});

test('what older agents report as memory.nodes is kept', () => {
  const report = { total_bytes: 1, nodes: { 0: { cpus: '0-3', memory_bytes: 1, distances: { 0: 10 } } } };
  expect(memory.observed.parse(report)).toEqual(report);
});
