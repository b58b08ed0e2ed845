import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pci } from '../../shared/sections/pci.ts';
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

testCaptured.for(['32em64t-2n8c+dax+nvme+mic+dimms', '40intel64-2g2n4c+pcilocality'])('%s as hwloc sees it', (name) => {
  const found = captured(`hwloc/${name}.tar.bz2`);
  const xml = readFileSync(fixturePath(`hwloc/${name}.xml`), 'utf8');
  // pci_type="0200 [8086:1521] [1028:0000] 01 00": class and subclass, device, subsystem, revision.
  const shown = [...xml.matchAll(/"PCIDev"[^>]* pci_busid="([^"]+)" pci_type="(\w+) \[(\w+):(\w+)\] \[(\w+):(\w+)\]/g)];
  expect(shown.length).toBeGreaterThan(20);
  for (const [, address = '', pciClass, vendor, device, subVendor, subDevice] of shown) {
    const subsystem = subVendor === '0000' ? [undefined, undefined] : [`0x${subVendor}`, `0x${subDevice}`];
    expect(found[address]).toMatchObject({ vendor: `0x${vendor}`, device: `0x${device}` });
    expect(found[address]?.class?.slice(0, 6)).toBe(`0x${pciClass}`);
    expect([found[address]?.subsystem_vendor, found[address]?.subsystem_device]).toEqual(subsystem);
  }
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

test('link, slot, IOMMU group and SR-IOV; virtual functions are left out', () => {
  const root = makeTree({
    ...pciFunction(port, { class: '0x060400\n', max_link_speed: 'Unknown\n', max_link_width: '255\n' }),
    ...pciFunction(`${port}/0000:3b:00.0`, nic),
    ...pciFunction(`${port}/0000:3b:00.2`, { class: '0x020000\n', physfn: { link: '../0000:3b:00.0' } }),
    '/sys/bus/pci/slots/7-1/address': '0000:3b:00\n',
  });
  expect(observe(openSystem(root))).toEqual({
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
      link: { speed_gts: 8, width: 8, max_speed_gts: 16, max_width: 16 },
      sriov: { total: 8 },
    },
  });
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

test('a link that is down, or a function that fell off the bus', () => {
  const lost = { ...nic, current_link_speed: 'Unknown speed\n', current_link_width: '0\n' };
  const root = makeTree(pciFunction('pci0000:3a/0000:3a:00.0', lost));
  expect(observe(openSystem(root))?.['0000:3a:00.0']?.link).toEqual({ max_speed_gts: 16, max_width: 16 });
});

test("an idle GPU lowers its link's speed: no fact, there and at its bridges", () => {
  const root = makeTree({
    ...pciFunction(port, { ...nic, class: '0x060400\n' }),
    ...pciFunction(`${port}/0000:3b:00.0`, { ...nic, class: '0x030200\n' }),
    ...pciFunction('pci0000:3a/0000:3a:01.0', nic),
  });
  const found = observe(openSystem(root));
  expect(found?.['0000:3a:00.0']?.link).toEqual({ width: 8, max_speed_gts: 16, max_width: 16 });
  expect(found?.['0000:3b:00.0']?.link).toEqual({ width: 8, max_speed_gts: 16, max_width: 16 });
  expect(found?.['0000:3a:01.0']?.link?.speed_gts).toBe(8);
});

test('a machine without PCI has no such section', () => {
  expect(observe(openSystem(makeTree({ '/proc/meminfo': '' })))).toBeUndefined();
});
