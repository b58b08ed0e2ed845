import { expect, test } from 'vitest';
import { differences } from './diff.ts';
import { demands, type Intent, resolve } from './resolve.ts';
import { network } from './sections/network.ts';

const networks = {
  mgmt: { cidr: '10.1.0.0/24', gateway: '10.1.0.1', dns: ['10.1.0.53'], domain: 'example.org' },
  data: { cidr: '10.2.0.0/16', gateway: '10.2.0.1', dns: [] },
  six: { cidr: '2001:db8::/64', gateway: '2001:db8::1', dns: [] },
};
const observed = {
  nics: {
    '0000:3b:00.0': { name: 'ens1', mac: '52:54:00:00:00:01', pci: '0000:3b:00.0', driver: 'mlx5_core' },
    '0000:3c:00.0': { name: 'ens2', mac: '52:54:00:00:00:02', pci: '0000:3c:00.0', driver: 'e1000e' },
  },
};

test('logical names, networks and labels become this machine and its addresses', () => {
  const intent: Intent = {
    hostname: { hostname: 'n1', domain: 'example.org' },
    network: {
      interfaces: {
        mgmt: {
          match: { mac: '52:54:00:00:00:02' },
          addresses: { primary: { network: 'mgmt' }, six: { network: 'six' } },
        },
        data: { match: { driver: 'mlx5_core' }, mtu: 9000, addresses: { primary: { network: 'data' } } },
      },
    },
  };
  expect(demands(intent)).toEqual([
    { interface: 'mgmt', label: 'primary', network: 'mgmt' },
    { interface: 'mgmt', label: 'six', network: 'six' },
    { interface: 'data', label: 'primary', network: 'data' },
  ]);
  const allocations = [
    { interface: 'mgmt', label: 'primary', network: 'mgmt', address: '10.1.0.5' },
    { interface: 'mgmt', label: 'six', network: 'six', address: '2001:db8::5' },
    { interface: 'data', label: 'primary', network: 'data', address: '10.2.3.4' },
  ];
  const { wanted, problems } = resolve({ intent, observed, allocations, networks });
  expect(problems).toEqual([]);
  expect(wanted).toEqual({
    hostname: { hostname: 'n1', domain: 'example.org', fqdn: 'n1.example.org' },
    network: {
      interfaces: {
        // One default route: of the first interface by name.
        ens1: { mtu: 9000, addresses: { '10.2.3.4/16': {} }, gateway: '10.2.0.1' },
        ens2: { addresses: { '10.1.0.5/24': {}, '2001:db8::5/64': {} }, gateway6: '2001:db8::1' },
      },
      dns: { servers: { '10.1.0.53': true }, search: { 'example.org': true } },
    },
  });
  expect(network.wanted.parse(wanted.network)).toEqual(wanted.network);
  expect(differences(wanted.network, network.observed.parse(wanted.network))).toEqual([]);
});

test('given gateway and DNS go before those of the network', () => {
  const interfaces = { ens1: { addresses: { a: { network: 'mgmt' } }, gateway: '10.1.0.254' } };
  const intent: Intent = { network: { interfaces, dns: { servers: { '9.9.9.9': true }, search: {} } } };
  const allocations = [{ interface: 'ens1', label: 'a', network: 'mgmt', address: '10.1.0.5' }];
  expect(resolve({ intent, observed, allocations, networks }).wanted).toEqual({
    network: {
      interfaces: { ens1: { addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.254' } },
      dns: { servers: { '9.9.9.9': true } },
    },
  });
});

test('an interface that no port fits is told, and the network is left alone as a whole: its driver may be late', () => {
  const interfaces = { a: { match: { mac: '52:54:00:00:00:99' } }, b: { match: { driver: 'e1000e' }, mtu: 1500 } };
  const bgp = { asn: 65101, router_id: '10.0.0.7', neighbors: { b: { interface: 'b', remote_as: 65001 } } };
  const intent: Intent = { hostname: { hostname: 'n1' }, network: { interfaces }, bgp };
  const { wanted, problems } = resolve({ intent, observed, allocations: [], networks });
  expect(wanted).toEqual({ hostname: { hostname: 'n1' } });
  expect(problems).toEqual([
    {
      section: 'network',
      path: '/interfaces/a',
      message: 'no port of this machine matches {"mac":"52:54:00:00:00:99"}',
    },
  ]);
});

test('a port that two interfaces mean is told', () => {
  const interfaces = {
    b: { match: { driver: 'e1000e' }, mtu: 1500 },
    c: { match: { pci: '0000:3c:00.0' }, mtu: 9000 },
  };
  const { wanted, problems } = resolve({ intent: { network: { interfaces } }, observed, allocations: [], networks });
  expect(wanted).toEqual({ network: { interfaces: { ens2: { mtu: 1500 } } } });
  expect(problems).toEqual([
    {
      section: 'network',
      path: '/interfaces/c',
      message: 'port ens2 of this machine is meant by another interface, too: let each match a port of its own',
    },
  ]);
});

test('nothing intended is nothing wanted', () => {
  expect(resolve({ intent: {}, observed, allocations: [], networks })).toEqual({ wanted: {}, problems: [] });
});

test('a network is wanted when all its addresses are given out, and not before', () => {
  const interfaces = {
    ens1: { addresses: { a: { network: 'mgmt' } } },
    ens2: { addresses: { a: { network: 'data', by: 'unit' as const } } },
  };
  const intent: Intent = { hostname: { hostname: 'n1' }, network: { interfaces } };
  const first = { interface: 'ens1', label: 'a', network: 'mgmt', address: '10.1.0.5' };
  const second = { interface: 'ens2', label: 'a', network: 'data', address: '10.2.0.7' };
  const of = (allocations: (typeof first)[]) => resolve({ intent, observed, allocations, networks }).wanted;
  expect(of([first])).toEqual({ hostname: { hostname: 'n1' } });
  expect(of([first, second])).toMatchObject({
    network: { interfaces: { ens1: { addresses: { '10.1.0.5/24': {} } }, ens2: { addresses: { '10.2.0.7/16': {} } } } },
  });
});
