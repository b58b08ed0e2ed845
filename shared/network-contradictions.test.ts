import { expect, test } from 'vitest';
import { contradictions } from './network-contradictions.ts';
import type { NetworkIntended } from './sections/network.ts';

type Interfaces = NonNullable<NetworkIntended['interfaces']>;
const bond = (...members: string[]) => ({
  bond: { members: Object.fromEntries(members.map((name) => [name, true as const])), mode: 'active-backup' as const },
});

test.each<[string, Interfaces, string[]]>([
  [
    'a VLAN on a missing parent',
    { v7: { vlan: { id: 7, parent: 'bond0' } } },
    ['/interfaces/v7/vlan/parent: there is no interface "bond0": intend it, too, or name another'],
  ],
  [
    'a missing member',
    { bond0: bond('eth0', 'eth/1'), eth0: {} },
    ['/interfaces/bond0/bond/members/eth~11: there is no interface "eth/1": intend it, too, or name another'],
  ],
  [
    'a missing VRF',
    { eth0: { vrf: 'blue' } },
    ['/interfaces/eth0/vrf: there is no VRF "blue": intend an interface of that name with vrf_table'],
  ],
  [
    'a port of two masters',
    { bond0: bond('eth0'), br0: { bridge: { members: { eth0: true } } }, eth0: {} },
    ['/interfaces/br0/bridge/members/eth0: "eth0" is a member of "bond0" already'],
  ],
  [
    'a member with an address',
    { bond0: bond('eth0'), eth0: { addresses: { main: { network: 'mgmt' } } } },
    ['/interfaces/eth0: it is a member of "bond0", so it has no addresses, gateways, routes or VRF of its own'],
  ],
  [
    'a circle',
    { a: { vlan: { id: 1, parent: 'b' } }, b: { bridge: { members: { a: true } } } },
    [
      '/interfaces/a: it is made of itself: its members and parents lead back to it',
      '/interfaces/b: it is made of itself: its members and parents lead back to it',
    ],
  ],
  [
    'one VLAN twice',
    { a: { vlan: { id: 7, parent: 'eth0' } }, b: { vlan: { id: 7, parent: 'eth0' } }, eth0: {} },
    ['/interfaces/b/vlan/id: "a" is VLAN 7 of "eth0" already'],
  ],
  [
    'two default routes of one metric',
    { eth0: { gateway: '10.1.0.1' }, eth1: { routes: { out: { to: 'default', via: '10.2.0.1' } } } },
    [
      '/interfaces/eth1/routes/out: eth0/gateway is an IPv4 default route with the same metric: give one of them another metric',
    ],
  ],
  [
    'two default routes of one VRF',
    {
      blue: { vrf_table: 10 },
      eth0: { vrf: 'blue', gateway6: 'fd00::1', metric: 5 },
      eth1: { vrf: 'blue', gateway6: 'fd00::2', metric: 5 },
    },
    [
      '/interfaces/eth1/gateway6: eth0/gateway6 is an IPv6 default route with the same metric in table 10: give one of them another metric',
    ],
  ],
  [
    'a gateway of the loopback interface',
    { lo: { gateway: '10.1.0.1' } },
    ['/interfaces/lo/gateway: the loopback interface has addresses, and nothing else'],
  ],
  [
    'default routes of other metrics and tables',
    { eth0: { gateway: '10.1.0.1' }, eth1: { gateway: '10.2.0.1', metric: 9 } },
    [],
  ],
])('%s', (_, interfaces, told) => {
  expect(contradictions({ interfaces }).map(({ path, message }) => `${path}: ${message}`)).toEqual(told);
});

test('one layer may name what another has', () => {
  const interfaces: Interfaces = { v7: { vlan: { id: 7, parent: 'bond0' }, vrf: 'blue' } };
  expect(contradictions({ interfaces }, false)).toEqual([]);
});
