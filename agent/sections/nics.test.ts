import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nics } from '../../shared/sections/nics.ts';
import { openSystem } from '../system.ts';
import { fixture, fixturePath, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { readTtar } from '../testing/ttar.ts';
import { observe } from './nics.ts';

testCaptured('a server: two Ethernet ports and an InfiniBand one; no VLAN, bridge or coprocessor link', () => {
  const found = observe(openSystem(fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2')));
  expect(found).toEqual({
    '84:8f:69:fe:cc:40': {
      name: 'eth0',
      kind: 'ethernet',
      mac: '84:8f:69:fe:cc:40',
      driver: 'igb',
      mtu: 1500,
      link: true,
      speed_mbps: 1000,
      duplex: 'full',
      numa_node: 0,
      pci: '0000:02:00.0',
    },
    '84:8f:69:fe:cc:41': {
      name: 'eth1',
      kind: 'ethernet',
      mac: '84:8f:69:fe:cc:41',
      driver: 'igb',
      mtu: 1500,
      numa_node: 0,
      pci: '0000:02:00.3',
    },
    '00:02:c9:03:00:f9:bf:a1': {
      name: 'ib0',
      kind: 'infiniband',
      guid: '00:02:c9:03:00:f9:bf:a1',
      driver: 'mlx4_core',
      mtu: 2044,
      link: true,
      numa_node: 1,
      pci: '0000:82:00.0',
    },
  });
  expect(nics.observed.parse(found)).toEqual(found);
});

testCaptured('bonds are no ports, and a port whose MAC is multicast goes by its name', () => {
  const root = makeTree(readTtar(readFileSync(fixturePath('sysfs/node_exporter-sys.ttar'), 'utf8')));
  expect(observe(openSystem(root))).toEqual({
    eth0: {
      name: 'eth0',
      kind: 'ethernet',
      mtu: 1500,
      link: true,
      speed_mbps: 1000,
      duplex: 'full',
      pci: '0000:03:00.0',
    },
  });
});

/** A port below a PCI function, as sysfs shows it. */
function port(name: string, pci: string, files: Tree): Tree {
  const folder = `/sys/devices/pci0000:00/${pci}/net/${name}`;
  return {
    ...Object.fromEntries(Object.entries(files).map(([file, value]) => [`${folder}/${file}`, value])),
    [`/sys/class/net/${name}`]: { link: `../../devices/pci0000:00/${pci}/net/${name}` },
  };
}

const keys = (tree: Tree) => Object.keys(observe(openSystem(makeTree(tree))) ?? {});

test('only a MAC that hardware carries and one port has is identity', () => {
  const mac = 'b8:3f:d2:00:00:01\n';
  expect(keys(port('eth0', '0000:00:01.0', { address: mac.toUpperCase(), addr_assign_type: '0\n' }))).toEqual([
    mac.trim(),
  ]);
  expect(keys(port('eth0', '0000:00:01.0', { address: mac, addr_assign_type: '1\n' }))).toEqual(['eth0']);
  expect(keys(port('eth0', '0000:00:01.0', { address: mac, addr_assign_type: '3\n' }))).toEqual(['eth0']);
  expect(keys(port('eth0', '0000:00:01.0', { address: '00:00:00:00:00:00\n' }))).toEqual(['eth0']);
  expect(keys(port('eth0', '0000:00:01.0', { address: '01:00:5e:00:00:01\n' }))).toEqual(['eth0']);
  expect(
    keys({ ...port('eth0', '0000:00:01.0', { address: mac }), ...port('eth1', '0000:00:01.1', { address: mac }) }),
  ).toEqual(['eth0', 'eth1']);
});

test("a bond's port keeps its own MAC", () => {
  const bonded = port('eth1', '0000:00:01.1', {
    address: 'b8:3f:d2:00:00:01\n',
    addr_assign_type: '3\n',
    'bonding_slave/perm_hwaddr': 'b8:3f:d2:00:00:02\n',
  });
  expect(keys(bonded)).toEqual(['b8:3f:d2:00:00:02']);
});

test('virtual functions, veths and modems are no ports', () => {
  const tree = {
    ...port('eth0v0', '0000:00:01.2', { address: 'b8:3f:d2:00:00:09\n' }),
    '/sys/devices/pci0000:00/0000:00:01.2/physfn': { link: '../0000:00:01.0' },
    ...port('wwan0', '0000:00:04.0', { type: '65534\n' }),
    '/sys/devices/virtual/net/veth1/address': 'b8:3f:d2:00:00:0a\n',
    '/sys/class/net/veth1': { link: '../../devices/virtual/net/veth1' },
  };
  expect(observe(openSystem(makeTree(tree)))).toBeUndefined();
});

test('a port without link has no speed, whatever its driver says', () => {
  const mac = 'b8:3f:d2:00:00:01';
  const down = { address: mac, carrier: '0\n', speed: '4294967295\n', duplex: 'unknown\n', mtu: '9000\n' };
  const found = observe(openSystem(makeTree(port('eth0', '0000:00:01.0', down))));
  expect(found).toEqual({
    [mac]: { name: 'eth0', kind: 'ethernet', mac, mtu: 9000, link: false, pci: '0000:00:01.0' },
  });
});

test('a virtio port without PCI', () => {
  const folder = 'devices/platform/a003e00.virtio_mmio/virtio1';
  const found = observe(
    openSystem(
      makeTree({
        [`/sys/${folder}/net/eth0/address`]: '52:54:00:00:00:01\n',
        [`/sys/${folder}/driver`]: { link: '../../../../bus/virtio/drivers/virtio_net' },
        '/sys/class/net/eth0': { link: `../../${folder}/net/eth0` },
      }),
    ),
  );
  expect(found).toEqual({
    '52:54:00:00:00:01': { name: 'eth0', kind: 'ethernet', mac: '52:54:00:00:00:01', driver: 'virtio_net' },
  });
});

test('ten thousand ports are cut, and the report says so', () => {
  const number = (index: number) => index.toString(16).padStart(4, '0');
  const list = () => Array.from({ length: 10_000 }, (_, index) => `e${number(index)}`);
  const system = {
    root: '/fake',
    read: (path: string) => (path.endsWith('/address') ? macOf(path) : undefined),
    readBytes: () => undefined,
    list: (path: string) => (path === '/sys/class/net' ? list() : []),
    link: (path: string) =>
      /\/net\/e\w+$/.test(path) ? `../../devices/pci0000:00/0000:00:01.0/net/${path.slice(-5)}` : undefined,
    real: () => undefined,
  };
  const macOf = (path: string) => `02:00:00:00:${path.slice(-12, -10)}:${path.slice(-10, -8)}`;
  const found = observe(system) ?? {};
  expect(Object.keys(found)).toHaveLength(2049);
  expect(found['02:00:00:00:00:00']).toMatchObject({ name: 'e0000' });
  expect(found.truncated).toEqual({ dropped: 7952 });
});

test("this machine's ports are those `ip` shows with a device behind them", () => {
  const found = Object.values(observe(openSystem()) ?? {});
  interface IpLink {
    ifname: string;
    address: string;
    mtu: number;
    flags: string[];
  }
  const shown: IpLink[] = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' }));
  for (const port of found) {
    const link = shown.find(({ ifname }) => ifname === port.name);
    expect(port.mtu).toBe(link?.mtu);
    if (port.mac !== undefined) expect(port.mac).toBe(link?.address);
    if (port.link !== undefined) expect(port.link).toBe(link?.flags.includes('LOWER_UP'));
  }
  const details = JSON.parse(execFileSync('ip', ['-j', '-d', 'link'], { encoding: 'utf8' }));
  const physical = details.filter((link: { parentbus?: string }) => link.parentbus !== undefined);
  expect(found.map(({ name }) => name).sort()).toEqual(physical.map((link: IpLink) => link.ifname).sort());
});
