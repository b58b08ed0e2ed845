import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { network } from '../../shared/sections/network.ts';
import { openSystem } from '../system.ts';
import { fixture, fixturePath, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { readTtar } from '../testing/ttar.ts';
import { observe } from './network.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));

function netdev(name: string, place: string, files: Tree = { mtu: '1500\n' }): Tree {
  const folder = `devices/${place}/net/${name}`;
  return {
    ...Object.fromEntries(Object.entries(files).map(([file, value]) => [`/sys/${folder}/${file}`, value])),
    [`/sys/class/net/${name}`]: { link: `../../${folder}` },
  };
}

const heading = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const leaf = (address: string) => `           |-- ${address}\n              /32 host LOCAL\n`;

testCaptured('a server: its ports, not what its coprocessor or hypervisor made', () => {
  const found = observe(openSystem(fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2')));
  expect(found?.interfaces).toMatchObject({
    eth0: { kind: 'physical', mac: '84:8f:69:fe:cc:40', mtu: 1500 },
    eth1: { kind: 'physical', mac: '84:8f:69:fe:cc:41', mtu: 1500 },
    ib0: { kind: 'physical', mtu: 2044 },
  });
  expect(Object.keys(found?.interfaces ?? {})).toEqual(['eth0', 'eth1', 'ib0']);
});

testCaptured('bonds', () => {
  const found = observeTree(readTtar(readFileSync(fixturePath('sysfs/node_exporter-sys.ttar'), 'utf8')));
  expect(Object.keys(found?.interfaces ?? {})).toEqual(['bond0', 'dmz', 'eth0', 'int']);
  expect(found?.interfaces?.dmz).toMatchObject({ kind: 'bond', members: { eth0: true } });
});

test('a bond with a VLAN and a bridge on it, beside the bridges of Docker and libvirt', () => {
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0', {
      address: 'b8:3f:d2:00:00:01\n',
      mtu: '9000\n',
      'bonding_slave/mii_status': 'up\n',
    }),
    ...netdev('bond0', 'virtual', {
      address: 'b8:3f:d2:00:00:01\n',
      mtu: '9000\n',
      'bonding/slaves': 'eth0 eth9\n',
      'bonding/mode': '802.3ad 4\n',
      'bonding/lacp_rate': 'fast 1\n',
      'bonding/xmit_hash_policy': 'layer3+4 1\n',
      'bonding/miimon': '100\n',
      'bonding/min_links': '0\n',
      'bonding/primary': '\n',
    }),
    ...netdev('bond0.100', 'virtual', { mtu: '1500\n', uevent: 'DEVTYPE=vlan\nINTERFACE=bond0.100\n' }),
    ...netdev('br0', 'virtual', {
      mtu: '1500\n',
      'bridge/stp_state': '0\n',
      'brif/bond0.100/state': '3\n',
      'brif/vnet7/state': '3\n',
    }),
    ...netdev('docker0', 'virtual', { mtu: '1500\n', 'bridge/stp_state': '0\n' }),
    ...netdev('br-0123456789ab', 'virtual', { mtu: '1500\n', 'bridge/stp_state': '0\n' }),
    ...netdev('virbr0', 'virtual', { mtu: '1500\n', 'bridge/stp_state': '0\n' }),
    ...netdev('cali0123', 'virtual'),
    '/proc/net/vlan/config':
      'VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\nbond0.100      | 100  | bond0\n',
  });
  expect(found?.interfaces).toEqual({
    eth0: { kind: 'physical', mac: 'b8:3f:d2:00:00:01', mtu: 9000, addresses: {}, routes: {} },
    bond0: {
      ...{ kind: 'bond', mac: 'b8:3f:d2:00:00:01', mtu: 9000, members: { eth0: true }, addresses: {}, routes: {} },
      bond: {
        ...{ mode: '802.3ad', lacp_rate: 'fast', transmit_hash: 'layer3+4', mii_monitor_ms: 100, min_links: 0 },
        members_up: 1,
      },
    },
    'bond0.100': { kind: 'vlan', mtu: 1500, vlan: 100, parent: 'bond0', addresses: {}, routes: {} },
    br0: { kind: 'bridge', stp: false, mtu: 1500, members: { 'bond0.100': true }, addresses: {}, routes: {} },
  });
  expect(network.observed.parse(found)).toEqual(found);
});

test('addresses, gateways and routes', () => {
  const zeros = '0'.repeat(32);
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0'),
    ...netdev('eth1', 'pci0000:00/0000:00:02.0'),
    '/proc/net/fib_trie': ['10.1.0.5', '127.0.0.1', '10.2.3.4', '172.17.0.1'].map(leaf).join(''),
    '/proc/net/route': `${heading}${[
      'eth0\t00000000\t0100010A\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth1\t00000000\t0100020A\t0003\t0\t0\t200\t00000000\t0\t0\t0',
      'eth0\t0000010A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
      'eth1\t0000020A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
      'eth1\t0000000A\t0100020A\t0003\t0\t0\t0\t000000FF\t0\t0\t0',
      'eth1\t0000A8C0\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0',
      'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    ].join('\n')}\n`,
    '/proc/net/if_inet6': [
      '00000000000000000000000000000001 01 80 10 80       lo',
      'fe8000000000000000fc00fffe000001 02 40 20 80     eth0',
      '20010db8000100000000000000000005 02 40 00 80     eth0',
      '20010db800010000021122fffe334455 02 40 00 00     eth0',
      '20010db80001000012345678aaaaaaaa 02 40 00 01     eth0',
    ].join('\n'),
    '/proc/net/ipv6_route': [
      `20010db8000100000000000000000000 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth0`,
      `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000400 00000002 00000000 00450003     eth0`,
      `20010db8000200000000000000000000 30 ${zeros} 00 20010db80001000000000000000000ff 00000400 00000002 00000000 00000003     eth0`,
      `20010db8000100000000000000000005 80 ${zeros} 00 ${zeros} 00000000 00000003 00000000 80200001     eth0`,
      `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200       lo`,
    ].join('\n'),
  });
  expect(found?.interfaces).toEqual({
    eth0: {
      kind: 'physical',
      mtu: 1500,
      addresses: {
        '10.1.0.5/24': { family: 'ipv4' },
        '2001:db8:1::5/64': { family: 'ipv6' },
        '2001:db8:1:0:211:22ff:fe33:4455/64': { family: 'ipv6', dynamic: true },
      },
      gateway: '10.1.0.1',
      gateway6: 'fe80::1',
      routes: { '2001:db8:2::/48': { gateway: '2001:db8:1::ff' } },
    },
    eth1: {
      kind: 'physical',
      mtu: 1500,
      addresses: { '10.2.3.4/16': { family: 'ipv4' } },
      gateway: '10.2.0.1',
      routes: { '10.0.0.0/8': { gateway: '10.2.0.1' } },
    },
  });
});

test("a cloud's /32, whose gateway has a host route", () => {
  const found = observeTree({
    ...netdev('ens4', 'pci0000:00/0000:00:04.0'),
    '/proc/net/fib_trie': leaf('10.128.0.7'),
    '/proc/net/route': `${heading}ens4\t00000000\t0100800A\t0003\t0\t0\t100\t00000000\nens4\t0100800A\t00000000\t0005\t0\t0\t100\tFFFFFFFF\n`,
  });
  expect(found?.interfaces?.ens4).toMatchObject({
    addresses: { '10.128.0.7/32': { family: 'ipv4' } },
    gateway: '10.128.0.1',
    routes: { '10.128.0.1/32': { on_link: true } },
  });
});

test('an address is never guessed: two ports on one subnet, a /32 of nobody', () => {
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0'),
    ...netdev('eth1', 'pci0000:00/0000:00:02.0'),
    '/proc/net/fib_trie': leaf('10.1.0.5') + leaf('10.1.0.6') + leaf('192.0.2.77'),
    '/proc/net/route': `${heading}eth0\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth1\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n`,
  });
  expect(found?.interfaces?.eth0?.addresses).toEqual({});
  expect(found?.interfaces?.eth1?.addresses).toEqual({});
});

test('where getifaddrs was asked, nothing is left out: two ports on one subnet, a VRF, the loopback interface', () => {
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0'),
    ...netdev('eth1', 'pci0000:00/0000:00:02.0'),
    '/sys/devices/pci0000:00/0000:00:02.0/net/eth1/master': { link: '../../../../virtual/net/blue' },
    ...netdev('blue', 'virtual', { mtu: '65575\n', flags: '0x481\n', uevent: 'INTERFACE=blue\n' }),
    ...netdev('lo', 'virtual', { mtu: '65536\n' }),
    '/proc/net/fib_trie': leaf('10.1.0.5') + leaf('10.1.0.6') + leaf('10.255.0.1') + leaf('127.0.0.1'),
    '/proc/net/ipv4_addresses': 'eth0 10.1.0.5/24\neth1 10.1.0.6/24\nlo 10.255.0.1/32\nlo 127.0.0.1/8\n',
  });
  expect(found?.interfaces).toEqual({
    eth0: { kind: 'physical', mtu: 1500, addresses: { '10.1.0.5/24': { family: 'ipv4' } }, routes: {} },
    eth1: { kind: 'physical', vrf: 'blue', mtu: 1500, addresses: { '10.1.0.6/24': { family: 'ipv4' } }, routes: {} },
    blue: { kind: 'vrf', mtu: 65575, addresses: {}, routes: {} },
    lo: { kind: 'loopback', mtu: 65536, addresses: { '10.255.0.1/32': { family: 'ipv4' } }, routes: {} },
  });
});

test("a router's learned routes are cut, and the report says so", () => {
  const rows = Array.from({ length: 300 }, (_, index) => {
    const [low, high] = [index & 255, index >> 8].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase());
    return `eth0\t00${low}${high}0B\t0100010A\t0003\t0\t0\t0\t00FFFFFF`;
  });
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0'),
    '/proc/net/route': heading + rows.join('\n'),
  });
  expect(Object.keys(found?.interfaces?.eth0?.routes ?? {})).toHaveLength(101);
  expect(found?.interfaces?.eth0?.routes?.truncated).toEqual({ dropped: 200 });
});

test('tables that are no tables', () => {
  const noise = 'eth0\tZZ\tZZ\t0003\t0\t0\t0\tZZ\n\u0000\n\n';
  const tables = ['fib_trie', 'route', 'if_inet6', 'ipv6_route', 'vlan/config'];
  const found = observeTree({
    ...netdev('eth0', 'pci0000:00/0000:00:01.0'),
    ...Object.fromEntries(tables.map((table) => [`/proc/net/${table}`, noise])),
  });
  expect(found?.interfaces).toEqual({ eth0: { kind: 'physical', mtu: 1500, addresses: {}, routes: {} } });
});

test("this machine's addresses and gateways are as `ip` says", () => {
  interface IpAddress {
    ifname: string;
    addr_info: { local: string; prefixlen: number; scope: string; temporary?: boolean; tentative?: boolean }[];
  }
  interface IpRoute {
    dev: string;
    gateway?: string;
  }
  const ip = (...options: string[]) => JSON.parse(execFileSync('ip', ['-j', ...options], { encoding: 'utf8' }));
  const shown: IpAddress[] = ip('addr');
  const interfaces = observe(openSystem())?.interfaces ?? {};
  expect(Object.keys(interfaces).length).toBeGreaterThan(0);
  for (const [name, observed] of Object.entries(interfaces)) {
    const addresses = shown
      .find(({ ifname }) => ifname === name)
      ?.addr_info.filter(({ scope, temporary, tentative }) => scope === 'global' && !temporary && !tentative);
    const cidrs = addresses?.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    expect(Object.keys(observed.addresses ?? {}).sort()).toEqual(cidrs?.sort());
    for (const [family, gateway] of [
      ['-4', observed.gateway],
      ['-6', observed.gateway6],
    ] as const) {
      const route = (ip(family, 'route', 'show', 'default') as IpRoute[]).find(({ dev }) => dev === name);
      expect(gateway).toBe(route?.gateway);
    }
  }
});
