import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type PciLink, pci } from '../../shared/sections/pci.ts';
import { type Element, parseXml } from '../parse/xml.ts';
import { openSystem } from '../system.ts';
import { fixture, fixturePath, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './pci.ts';

const captured = (name: string) => observe(openSystem(fixture(name))) ?? {};

/** A PCI function as sysfs shows it: files in the folder its address leads to, and the link to that folder. */
function pciFunction(place: string, files: Tree): Tree {
  const address = place.split('/').at(-1);
  const entries = Object.entries(files).map(([name, value]) => [`/sys/devices/${place}/${name}`, value]);
  return { ...Object.fromEntries(entries), [`/sys/bus/pci/devices/${address}`]: { link: `../../../devices/${place}` } };
}

testCaptured('a two-socket server: each function with its driver, NUMA node and bridge', () => {
  const found = captured('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2');
  expect(Object.keys(found)).toHaveLength(137);
  expect(pci.observed.parse(found)).toEqual(found);
  expect(found['0000:02:00.3']).toEqual({
    class: '0x020000',
    vendor: '0x8086',
    device: '0x1521',
    subsystem_vendor: '0x1028',
    subsystem_device: '0x0000',
    driver: 'igb',
    numa_node: 0,
    parent: '0000:00:01.1',
  });
});

/**
 * Every tree of hwloc's own tests that has PCI devices, and what hwloc makes of it. Left out by hwloc: bridges without a bus behind
 * them (their secondary bus is 0), here one of a C600 chipset.
 */
const hwloc = [
  { tree: '128arm-2pa2n8cluster4co', expected: 'console', leftOut: [] },
  { tree: '16amd64-8n2c', expected: 'console', leftOut: [] },
  { tree: '20em64t-hybrid-1p6c2t+2ca4co1t', expected: 'console', leftOut: [] },
  { tree: '32em64t-2n8c+dax+nvme+mic+dimms', expected: 'xml', leftOut: ['0000:00:11.0'] },
  { tree: '40intel64-2g2n4c+pcilocality', expected: 'xml', leftOut: [] },
  { tree: '96em64t-4no4pa3ca2co', expected: 'console', leftOut: [] },
  { tree: 'nvidiagpunumanodes', expected: 'console', leftOut: [] },
];

testCaptured('no tree of hwloc is forgotten', () => {
  const trees = readdirSync(fixturePath('hwloc')).filter((name) => name.endsWith('.tar.bz2'));
  expect(hwloc.map(({ tree }) => `${tree}.tar.bz2`)).toEqual(trees.sort());
});

testCaptured.for(hwloc)('$tree has the PCI functions that hwloc finds', ({ tree, expected, leftOut }) => {
  const found = captured(`hwloc/${tree}.tar.bz2`);
  const text = readFileSync(fixturePath(`hwloc/${tree}.${expected}`), 'utf8');
  const addresses = [...text.matchAll(/\b(?:pci_busid="|busid=)([\da-f:.]+)/g)].map(([, address]) => address!);
  expect(Object.keys(found).sort()).toEqual([...addresses, ...leftOut].sort());
  for (const [, address, pciClass] of text.matchAll(/busid=(\S+) id=\S+ class=([\da-f]{4})/g))
    expect(found[address!]?.class?.slice(0, 6)).toBe(`0x${pciClass}`);
});

/** Bytes per second of a link, as hwloc reckons: 8b/10b until 5 GT/s, 128b/130b above it. */
function gigabytes(link: PciLink | undefined): number {
  const { speed_gts = 0, width = 0 } = link ?? {};
  return (speed_gts * width * (speed_gts <= 5 ? 8 / 10 : 128 / 130)) / 8;
}

/** PCI object → the bridge that hwloc has it in. */
function parentsIn(element: Element, bridge?: string, into = new Map<string, string | undefined>()) {
  for (const child of element.children) {
    const address = child.attributes.pci_busid;
    if (address !== undefined) into.set(address, bridge);
    parentsIn(child, address ?? bridge, into);
  }
  return into;
}

testCaptured.for(hwloc.filter(({ expected }) => expected === 'xml'))('$tree as hwloc sees it', ({ tree }) => {
  const found = captured(`hwloc/${tree}.tar.bz2`);
  const xml = readFileSync(fixturePath(`hwloc/${tree}.xml`), 'utf8');
  // pci_type="0200 [8086:1521] [1028:0000] 01 00": class and subclass, device, subsystem, revision.
  const shown = [
    ...xml.matchAll(
      /pci_busid="([^"]+)" pci_type="(\w+) \[(\w+):(\w+)\] \[(\w+):(\w+)\] \w+ \w+" pci_link_speed="([\d.]+)"/g,
    ),
  ];
  expect(shown.length).toBeGreaterThan(30);
  for (const [, address = '', pciClass, vendor, device, subVendor, subDevice, speed] of shown) {
    const subsystem = subVendor === '0000' ? [undefined, undefined] : [`0x${subVendor}`, `0x${subDevice}`];
    expect(found[address]).toMatchObject({ vendor: `0x${vendor}`, device: `0x${device}` });
    expect(found[address]?.class?.slice(0, 6)).toBe(`0x${pciClass}`);
    expect([found[address]?.subsystem_vendor, found[address]?.subsystem_device]).toEqual(subsystem);
    expect(gigabytes(found[address]?.link)).toBeCloseTo(Number(speed), 5);
  }
  const parents = parentsIn(parseXml(xml));
  expect(parents.size).toBeGreaterThan(30);
  for (const [address, parent] of parents) expect([address, found[address]?.parent]).toEqual([address, parent]);
});

testCaptured('a kernel that knows no NUMA node (-1) and a function without driver leave both absent', () => {
  const found = captured('ghw/linux-amd64-accel-nvidia.tar.gz');
  expect(found['0000:00:00.0']).toEqual({ class: '0x060000', vendor: '0x8086', device: '0x29c0', revision: '0x00' });
  expect(found['0000:06:00.0']).toMatchObject({ driver: 'nvidia', parent: '0000:00:01.5' });
});

testCaptured('arm64', () => {
  expect(captured('ghw/linux-arm64-c288e0776090cd558ef793b2a4e61939.tar.gz')['0000:00:04.0']).toEqual({
    class: '0x010802',
    vendor: '0x1d0f',
    device: '0x8061',
    revision: '0x00',
    driver: 'nvme',
    numa_node: 0,
  });
});

const port = 'pci0000:3a/0000:3a:00.0';
const nic = {
  class: '0x020000\n',
  vendor: '0x15b3\n',
  device: '0x101d\n',
  subsystem_vendor: '0x0000\n',
  revision: '0x00\n',
  numa_node: '1\n',
  current_link_speed: '8.0 GT/s PCIe\n',
  current_link_width: '8\n',
  max_link_speed: '16.0 GT/s PCIe\n',
  max_link_width: '16\n',
  sriov_totalvfs: '8\n',
  driver: { link: '../../../../bus/pci/drivers/mlx5_core' },
  iommu_group: { link: '../../../../kernel/iommu_groups/0' },
};

test('link, slot, IOMMU group; virtual functions belong to theirs, and are not told by themselves', () => {
  const root = makeTree({
    ...pciFunction(port, { class: '0x060400\n', max_link_speed: 'Unknown\n', max_link_width: '255\n' }),
    ...pciFunction(`${port}/0000:3b:00.0`, {
      ...nic,
      sriov_numvfs: '2\n',
      virtfn0: { link: '../0000:3b:00.2' },
      virtfn1: { link: '../0000:3b:00.3' },
    }),
    ...pciFunction(`${port}/0000:3b:00.2`, { class: '0x020000\n', physfn: { link: '../0000:3b:00.0' } }),
    ...pciFunction(`${port}/0000:3b:00.3`, { class: '0x020000\n', physfn: { link: '../0000:3b:00.0' } }),
    '/sys/bus/pci/slots/7-1/address': '0000:3b:00\n',
  });
  const found = observe(openSystem(root));
  expect(found).toEqual({
    '0000:3a:00.0': { class: '0x060400' },
    '0000:3b:00.0': {
      class: '0x020000',
      vendor: '0x15b3',
      device: '0x101d',
      revision: '0x00',
      driver: 'mlx5_core',
      numa_node: 1,
      iommu_group: '0',
      slot: '7-1',
      parent: '0000:3a:00.0',
      link: {
        ...{ speed_gts: 8, width: 8, max_speed_gts: 16, max_width: 16, expected_speed_gts: 16, expected_width: 16 },
        degraded: '0000:3b:00.0',
      },
      sriov: { total: 8, used: 2, functions: { '0000:3b:00.2': true, '0000:3b:00.3': true } },
    },
  });
  expect(pci.observed.parse(found)).toEqual(found);
});

test('a card that can have virtual functions and has none, and one that has more than are listed', () => {
  const card = (files: Tree) =>
    observe(openSystem(makeTree(pciFunction(`${port}/0000:3b:00.0`, { ...nic, ...files }))))?.['0000:3b:00.0']?.sriov;
  expect(card({ sriov_numvfs: '0\n' })).toEqual({ total: 8, used: 0 });
  expect(card({})).toEqual({ total: 8 });
  expect(card({ sriov_totalvfs: '0\n' })).toBeUndefined();
  const names = Array.from(
    { length: 300 },
    (_, i) => `0000:${(0x40 + (i >> 8)).toString(16)}:${(i & 255).toString(16)}`,
  );
  const many = Object.fromEntries(names.map((name, i) => [`virtfn${i}`, { link: `../${name}.0` }]));
  const { functions, ...counts } = card({ sriov_totalvfs: '512\n', sriov_numvfs: '300\n', ...many })!;
  expect(counts).toEqual({ total: 512, used: 300 });
  expect(Object.keys(functions!)).toEqual(names.slice(0, 256).map((name) => `${name}.0`));
});

test('`uevent` says the same as the files it spares', () => {
  const { class: pciClass, vendor, device, driver, ...others } = nic;
  const uevent =
    'DRIVER=mlx5_core\nPCI_CLASS=20000\nPCI_ID=15B3:101D\nPCI_SUBSYS_ID=15B3:0000\nMODALIAS=pci:v000015B3\n';
  const ids = { subsystem_vendor: '0x15b3\n', subsystem_device: '0x0000\n' };
  expect(observe(openSystem(makeTree(pciFunction(port, { ...others, uevent }))))).toEqual(
    observe(openSystem(makeTree(pciFunction(port, { ...nic, ...ids })))),
  );
});

test('a subsystem of nobody is none', () => {
  const of = (vendor: string) => {
    const files = { ...nic, subsystem_vendor: `${vendor}\n`, subsystem_device: '0x0001\n' };
    const { subsystem_vendor, subsystem_device } = observe(openSystem(makeTree(pciFunction(port, files))))![
      '0000:3a:00.0'
    ]!;
    return [subsystem_vendor, subsystem_device];
  };
  expect(['0x15b3', '0x0000', '0xffff'].map(of)).toEqual([
    ['0x15b3', '0x0001'],
    [undefined, undefined],
    [undefined, undefined],
  ]);
});

test('a link that is down, or a function that fell off the bus', () => {
  const lost = { ...nic, current_link_speed: 'Unknown speed\n', current_link_width: '0\n' };
  const root = makeTree(pciFunction('pci0000:3a/0000:3a:00.0', lost));
  expect(observe(openSystem(root))?.['0000:3a:00.0']?.link).toEqual({
    ...{ max_speed_gts: 16, max_width: 16, expected_speed_gts: 16, expected_width: 16 },
  });
});

/** What sysfs says of a link: GT/s and lanes now, and at most. */
const link = (speed: number | string, width: number, maxSpeed: number | string, maxWidth: number): Tree => ({
  current_link_speed: typeof speed === 'number' ? `${speed.toFixed(1)} GT/s PCIe\n` : `${speed}\n`,
  current_link_width: `${width}\n`,
  max_link_speed: typeof maxSpeed === 'number' ? `${maxSpeed.toFixed(1)} GT/s PCIe\n` : `${maxSpeed}\n`,
  max_link_width: `${maxWidth}\n`,
});

/** The links of a machine in which root port, the two ports of a switch, and a card lie one behind another. */
function linksBehindSwitch(root: Tree, up: Tree, down: Tree, card: Tree) {
  const at = ['pci0000:3a', '0000:3a:00.0', '0000:3b:00.0', '0000:3c:04.0', '0000:3d:00.0'];
  const bridge = { class: '0x060400\n' };
  const tree = {
    ...pciFunction(at.slice(0, 2).join('/'), { ...bridge, ...root }),
    ...pciFunction(at.slice(0, 3).join('/'), { ...bridge, ...up }),
    ...pciFunction(at.slice(0, 4).join('/'), { ...bridge, ...down }),
    ...pciFunction(at.join('/'), { class: '0x010802\n', ...card }),
  };
  const found = observe(openSystem(makeTree(tree))) ?? {};
  return at.slice(1).map((address) => {
    const { expected_speed_gts, expected_width, limited_by, degraded } = found[address]?.link ?? {};
    return [expected_speed_gts, expected_width, limited_by, degraded];
  });
}

const full = link(16, 16, 16, 16);
const x4 = link(16, 4, 16, 4);
const none = [undefined, undefined, undefined, undefined];

test('a card of four lanes in a port of sixteen is as expected; ports that lead down are judged by what is below', () => {
  expect(linksBehindSwitch(full, full, link(16, 4, 16, 16), x4)).toEqual([
    none,
    [16, 16, undefined, undefined],
    none,
    [16, 4, undefined, undefined],
  ]);
});

test('a port that can less limits the card behind it, and no link is degraded by that', () => {
  const old = link(8, 16, 8, 16);
  expect(linksBehindSwitch(old, link(8, 16, 16, 16), full, full)).toEqual([
    none,
    [8, 16, '0000:3a:00.0', undefined],
    none,
    [8, 16, '0000:3a:00.0', undefined],
  ]);
});

test('the hop that runs below what is expected is named: the card, or the link of the switch above it', () => {
  const slow = link(8, 8, 16, 16);
  expect(linksBehindSwitch(full, full, slow, slow)[3]).toEqual([16, 16, undefined, '0000:3d:00.0']);
  const narrow = link(16, 8, 16, 16);
  expect(linksBehindSwitch(narrow, narrow, full, full)).toEqual([
    none,
    [16, 16, undefined, '0000:3b:00.0'],
    none,
    [16, 16, undefined, '0000:3b:00.0'],
  ]);
});

test('a hop of which the kernel says Unknown or x0 is left out', () => {
  const unknown = link('Unknown', 0, 'Unknown', 0);
  expect(linksBehindSwitch(unknown, unknown, unknown, x4)).toEqual([none, none, none, [16, 4, undefined, undefined]]);
  expect(linksBehindSwitch(full, full, full, link('Unknown', 0, 16, 4))[3]).toEqual([16, 4, undefined, undefined]);
});

test("an idle GPU lowers its link's speed: no fact, there and at its bridges, and nothing is degraded by it", () => {
  const idle = link(2.5, 16, 16, 16);
  const root = makeTree({
    ...pciFunction(port, { ...idle, class: '0x060400\n' }),
    ...pciFunction(`${port}/0000:3b:00.0`, { ...idle, class: '0x030200\n' }),
    ...pciFunction('pci0000:3a/0000:3a:01.0', nic),
  });
  const found = observe(openSystem(root));
  const known = { width: 16, max_speed_gts: 16, max_width: 16 };
  expect(found?.['0000:3a:00.0']?.link).toEqual(known);
  expect(found?.['0000:3b:00.0']?.link).toEqual({ ...known, expected_speed_gts: 16, expected_width: 16 });
  expect(found?.['0000:3a:01.0']?.link?.speed_gts).toBe(8);
});

test('a machine without PCI has no such section', () => {
  expect(observe(openSystem(makeTree({ '/proc/meminfo': '' })))).toBeUndefined();
});
