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
      firmware: '2.11.500',
      rdma: {
        device: 'mlx4_0',
        node_guid: '0002:c903:00f9:bfa0',
        system_guid: '0002:c903:00f9:bfa3',
        link_layer: 'InfiniBand',
        board: 'DEL0A30000019',
      },
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

/** An interface that software makes. */
const made = (name: string, files: Tree): Tree => ({
  ...Object.fromEntries(
    Object.entries(files).map(([file, value]) => [`/sys/devices/virtual/net/${name}/${file}`, value]),
  ),
  [`/sys/class/net/${name}`]: { link: `../../devices/virtual/net/${name}` },
});

test('bond, bridge and VRF that a port is in, and the VLANs on top of it', () => {
  const into = (master: string) => ({ master: { link: `../../../../virtual/net/${master}` } });
  const upper = (name: string) => ({ [`upper_${name}`]: { link: `../../../../virtual/net/${name}` } });
  const found = observe(
    openSystem(
      makeTree({
        ...port('eth0', '0000:00:01.0', into('bond0')),
        ...port('eth1', '0000:00:02.0', { ...into('br0'), ...upper('storage'), ...upper('eth1.7'), ...upper('mv0') }),
        ...port('eth2', '0000:00:03.0', into('red')),
        ...port('eth3', '0000:00:04.0', into('ovs-system')),
        ...made('bond0', { 'bonding/mode': '802.3ad 4\n' }),
        ...made('br0', { 'bridge/stp_state': '0\n', uevent: 'DEVTYPE=bridge\n' }),
        ...made('red', { uevent: 'DEVTYPE=vrf\nINTERFACE=red\n' }),
        ...made('ovs-system', { uevent: 'INTERFACE=ovs-system\n' }),
        ...made('storage', { uevent: 'DEVTYPE=vlan\nINTERFACE=storage\n' }),
        ...made('eth1.7', { uevent: 'DEVTYPE=vlan\n' }),
        ...made('mv0', { uevent: 'DEVTYPE=macvlan\n' }),
        '/proc/net/vlan/storage': 'storage  VID: 100\t REORDER_HDR: 1  dev->priv_flags: 1021\n',
        '/proc/net/vlan/eth1.7': 'garbage\n',
      }),
    ),
  );
  const bare = (name: string, pci: string) => ({ name, kind: 'ethernet', pci });
  expect(found).toEqual({
    eth0: { ...bare('eth0', '0000:00:01.0'), bond: 'bond0' },
    eth1: { ...bare('eth1', '0000:00:02.0'), bridge: 'br0', vlans: { 100: 'storage' } },
    eth2: { ...bare('eth2', '0000:00:03.0'), vrf: 'red' },
    eth3: bare('eth3', '0000:00:04.0'),
  });
  expect(nics.observed.parse(found)).toEqual(found);
});

test('a card of two ports has one RDMA device for both, or one each; a GUID of zeros is none', () => {
  const device = '/sys/devices/pci0000:00/0000:00:01.0/infiniband';
  const ports = {
    ...port('eth0', '0000:00:01.0', { dev_port: '0\n' }),
    ...port('eth1', '0000:00:01.0', { dev_port: '1\n' }),
    [`${device}/mlx5_0/fw_ver`]: '20.31.1014\n',
    [`${device}/mlx5_0/node_guid`]: '0000:0000:0000:0000\n',
    [`${device}/mlx5_0/ports/1/link_layer`]: 'Ethernet\n',
  };
  const rdma = (tree: Tree) =>
    Object.values(observe(openSystem(makeTree(tree))) ?? {}).map(({ firmware, rdma }) => [firmware, rdma]);
  const first = ['20.31.1014', { device: 'mlx5_0', link_layer: 'Ethernet' }];
  expect(rdma({ ...ports, [`${device}/mlx5_0/ports/2/link_layer`]: 'InfiniBand\n' })).toEqual([
    first,
    ['20.31.1014', { device: 'mlx5_0', link_layer: 'InfiniBand' }],
  ]);
  expect(rdma({ ...ports, [`${device}/mlx5_1/ports/1/link_layer`]: 'Ethernet\n' })).toEqual([
    first,
    [undefined, { device: 'mlx5_1', link_layer: 'Ethernet' }],
  ]);
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
    during: <T>(look: () => T) => look(),
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
