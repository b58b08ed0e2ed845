import { resolveNetwork } from '../../../shared/resolve-network.ts';
import { type NetworkIntended, type NetworkWanted, network } from '../../../shared/sections/network.ts';

const networks = {
  mgmt: { cidr: '10.1.0.0/24', gateway: '10.1.0.1', dns: ['10.1.0.53'], domain: 'example.org' },
  storage: { cidr: '10.2.0.0/24', dns: [] },
  tenant: { cidr: '10.3.0.0/24', gateway: '10.3.0.1', dns: [] },
  v6: { cidr: '2001:db8:1::/64', gateway: '2001:db8:1::1', dns: [] },
  point: { cidr: '10.4.0.7/32', gateway: '10.4.0.1', dns: [] },
  loopback: { cidr: '10.255.0.0/24', dns: [] },
};
const given: Record<string, string> = {
  mgmt: '10.1.0.5',
  storage: '10.2.0.5',
  tenant: '10.3.0.5',
  v6: '2001:db8:1::5',
  point: '10.4.0.7',
  loopback: '10.255.0.5',
};

/** A machine with four ports. */
const nics = Object.fromEntries(
  ['enp1s0', 'enp2s0', 'enp3s0', 'enp4s0'].map((name, i) => [
    `52:54:00:00:00:0${i + 1}`,
    { name, mac: `52:54:00:00:00:0${i + 1}`, pci: `0000:0${i + 1}:00.0`, driver: i < 2 ? 'virtio_net' : 'mlx5_core' },
  ]),
);
export const macs = Object.fromEntries(Object.values(nics).map(({ name, mac }) => [name, mac]));

const on = (...names: (keyof typeof networks)[]) =>
  Object.fromEntries(names.map((name) => [name, { network: name as string }]));

/** Twenty intents as people write them, from the plainest to what a rack of GPUs has. */
export const intents: Record<string, NetworkIntended> = {
  '01-dhcp': { interfaces: { enp1s0: { dhcp4: true } } },
  '02-static': { interfaces: { enp1s0: { addresses: on('mgmt') } } },
  '03-static-dual-stack': { interfaces: { enp1s0: { addresses: on('mgmt', 'v6'), mtu: 9000 } } },
  '04-dhcp-both': { interfaces: { enp1s0: { dhcp4: true, dhcp6: true, accept_ra: true } } },
  '05-router-advertisements': { interfaces: { enp1s0: { addresses: on('mgmt'), accept_ra: false } } },
  '06-two-ports-two-metrics': {
    interfaces: {
      enp1s0: { addresses: on('mgmt'), metric: 100 },
      enp2s0: { addresses: on('tenant'), gateway: '10.3.0.1', metric: 200 },
    },
  },
  '07-static-routes': {
    interfaces: {
      enp1s0: {
        addresses: on('mgmt'),
        routes: {
          backup: { to: '192.0.2.0/24', via: '10.1.0.254', metric: 50 },
          link: { to: '198.51.100.0/24' },
        },
      },
    },
  },
  '08-policy-rules': {
    interfaces: {
      enp1s0: { addresses: on('mgmt') },
      enp2s0: {
        addresses: on('tenant'),
        routes: { out: { to: 'default', via: '10.3.0.1', table: 103 } },
        rules: {
          from: { priority: 1000, from: '10.3.0.0/24', table: 103 },
          to: { priority: 1001, to: '203.0.113.0/24', table: 103 },
        },
      },
    },
  },
  '09-bond-active-backup': {
    interfaces: {
      bond0: {
        bond: { members: { enp1s0: true, enp2s0: true }, mode: 'active-backup', primary: 'enp2s0' },
        addresses: on('mgmt'),
      },
      enp1s0: {},
      enp2s0: {},
    },
  },
  '10-bond-lacp': {
    interfaces: {
      bond0: {
        bond: {
          ...{ members: { left: true, right: true }, mode: '802.3ad', lacp_rate: 'fast', transmit_hash: 'layer3+4' },
          ...{ mii_monitor_ms: 200, min_links: 1 },
        },
        mtu: 9000,
        addresses: on('mgmt'),
      },
      left: { match: { mac: '52:54:00:00:00:01' }, mtu: 9000 },
      right: { match: { pci: '0000:02:00.0' }, mtu: 9000 },
    },
  },
  '11-bond-with-two-vlans': {
    interfaces: {
      bond0: { bond: { members: { enp1s0: true, enp2s0: true }, mode: '802.3ad' } },
      'bond0.100': { vlan: { id: 100, parent: 'bond0' }, addresses: on('mgmt') },
      'bond0.200': { vlan: { id: 200, parent: 'bond0' }, addresses: on('storage'), mtu: 9000 },
      enp1s0: {},
      enp2s0: {},
    },
  },
  '12-vlan-with-a-name': {
    interfaces: { enp1s0: {}, mgmt: { vlan: { id: 7, parent: 'enp1s0' }, addresses: on('mgmt') } },
  },
  '13-bridge': {
    interfaces: { br0: { bridge: { members: { enp1s0: true } }, addresses: on('mgmt') }, enp1s0: {} },
  },
  '14-bridge-over-vlan-over-bond': {
    interfaces: {
      bond0: { bond: { members: { enp1s0: true, enp2s0: true }, mode: 'balance-xor', transmit_hash: 'layer2+3' } },
      vmbr100: { bridge: { members: { 'bond0.100': true }, stp: true }, addresses: on('mgmt') },
      'bond0.100': { vlan: { id: 100, parent: 'bond0' } },
      enp1s0: {},
      enp2s0: {},
    },
  },
  '15-vrf': {
    interfaces: {
      blue: { vrf_table: 1001 },
      enp1s0: { addresses: on('mgmt') },
      enp2s0: { vrf: 'blue', addresses: on('tenant'), routes: { lab: { to: '192.0.2.0/24', via: '10.3.0.9' } } },
    },
  },
  '16-loopback': { interfaces: { enp1s0: { addresses: on('mgmt') }, lo: { addresses: on('loopback') } } },
  '17-gateway-off-the-network': { interfaces: { enp1s0: { addresses: on('point') } } },
  '18-by-driver': {
    interfaces: { fast: { match: { driver: 'mlx5_core', pci: '0000:03:00.0' }, addresses: on('storage') } },
  },
  '19-name-servers': {
    interfaces: { enp1s0: { addresses: on('mgmt') } },
    dns: { servers: { '10.1.0.54': true, '2001:db8:1::53': true }, search: { 'rack1.example.org': true } },
  },
  '20-everything': {
    interfaces: {
      bond0: { bond: { members: { enp1s0: true, enp2s0: true }, mode: 'active-backup' }, mtu: 9000 },
      mgmt: { vlan: { id: 100, parent: 'bond0' }, addresses: on('mgmt', 'v6') },
      tenant: { vlan: { id: 300, parent: 'bond0' }, vrf: 'red', addresses: on('tenant') },
      red: { vrf_table: 2002 },
      br0: { bridge: { members: { enp3s0: true } }, addresses: on('storage') },
      enp1s0: { mtu: 9000 },
      enp2s0: { mtu: 9000 },
      enp3s0: {},
      lo: { addresses: on('loopback') },
    },
  },
};

/** What resolve makes of one of them for the machine with four ports. Throws when it is not one, or not for it. */
export function wantedOf(name: string): NetworkWanted {
  const intent = network.intended.parse(intents[name]);
  const allocations = Object.entries(intent.interfaces ?? {}).flatMap(([logical, { addresses = {} }]) =>
    Object.entries(addresses).map(([label, { network: from }]) => ({
      ...{ interface: logical, label, network: from, address: given[from]! },
    })),
  );
  const problems: { message: string }[] = [];
  const input = { intent: { network: intent }, observed: { nics }, allocations, networks };
  const wanted = resolveNetwork(input, problems as never);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
  return network.wanted.parse(wanted);
}
