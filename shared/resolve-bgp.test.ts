import { expect, test } from 'vitest';
import { type Intent, resolve } from './resolve.ts';
import { type BgpIntended, bgp } from './sections/bgp.ts';

const observed = {
  nics: { a: { name: 'ens1', mac: '52:54:00:00:00:01' }, b: { name: '7up', mac: '52:54:00:00:00:02' } },
  network: { interfaces: { ens1: { addresses: { '10.2.0.9/24': {} } }, ens9: {} } },
};
const networks = { mgmt: { cidr: '10.1.0.0/24', dns: [] }, loop: { cidr: '10.9.0.0/24', dns: [] } };
const allocations = [
  { interface: 'mgmt', label: 'a', network: 'mgmt', address: '10.1.0.5' },
  { interface: 'loopback', label: 'b', network: 'loop', address: '10.9.0.9' },
  { interface: 'loopback', label: 'a', network: 'loop', address: '10.9.0.1' },
];
const interfaces = {
  mgmt: { match: { name: 'ens9' }, addresses: { a: { network: 'mgmt' } } },
  uplink: { match: { mac: '52:54:00:00:00:01' } },
  odd: { match: { mac: '52:54:00:00:00:02' } },
  loopback: { match: { name: 'lo' }, addresses: { a: { network: 'loop' }, b: { network: 'loop' } } },
};

function resolved(intended: BgpIntended, rest: Partial<Intent> = { network: { interfaces } }, given = allocations) {
  const intent = { ...rest, bgp: bgp.intended.parse(intended) };
  const { wanted, problems } = resolve({ intent, observed, allocations: given, networks });
  return { bgp: wanted.bgp, problems: problems.filter(({ section }) => section === 'bgp') };
}

test("logical names become the kernel's, families and lengths are told, the loopback gives the router id", () => {
  const intended: BgpIntended = {
    asn: 65101,
    neighbors: {
      leaf: { interface: 'uplink', remote_as: 'external', bfd: true },
      rr: { address: '10.9.0.11', remote_as: 'internal', source: 'loopback', bfd: false },
      six: { address: 'fd00::1', remote_as: 65001, source: 'fd00::2', address_families: {} },
      port: { interface: 'ens9', remote_as: 65002, address_families: { ipv6_unicast: true } },
    },
    announce: { networks: {}, connected: { '10.9.0.0/16': { ge: 32 }, 'fd00::/8': {}, '0.0.0.0/0': { le: 32 } } },
    bfd: {},
  };
  expect(resolved(intended)).toEqual({
    problems: [],
    bgp: {
      asn: 65101,
      router_id: '10.9.0.1',
      neighbors: {
        '10.9.0.11': { remote_as: 'internal', bfd: false, source: 'lo', address_families: { ipv4_unicast: true } },
        ens1: {
          interface: true,
          remote_as: 'external',
          bfd: true,
          address_families: { ipv4_unicast: true, ipv6_unicast: true },
        },
        ens9: { interface: true, remote_as: 65002, bfd: false, address_families: { ipv6_unicast: true } },
        'fd00::1': { remote_as: 65001, bfd: false, source: 'fd00::2', address_families: { ipv6_unicast: true } },
      },
      announce: {
        connected: {
          '10.9.0.0/16': { ge: 32, le: 32 },
          'fd00::/8': { ge: 8, le: 8 },
          '0.0.0.0/0': { ge: 0, le: 32 },
        },
      },
      daemons: { bgpd: true, bfdd: true },
    },
  });
});

test('a router id: as intended, else of a port that is wanted, else of one that is there, else none', () => {
  const idOf = (...args: Parameters<typeof resolved>) => (resolved(...args).bgp as { router_id: string }).router_id;
  expect(idOf({ asn: 1, router_id: '10.0.0.7' })).toBe('10.0.0.7');
  expect(idOf({ asn: 1 }, undefined, allocations.slice(0, 1))).toBe('10.1.0.5');
  expect(idOf({ asn: 1 }, {}, [])).toBe('10.2.0.9');
  const nowhere = resolve({ intent: { bgp: { asn: 1 } }, observed: {}, allocations: [], networks });
  expect(nowhere).toEqual({
    wanted: {},
    problems: [
      {
        section: 'bgp',
        path: '/router_id',
        message: 'this node has no IPv4 address to take as its router id: set router_id',
      },
    ],
  });
});

test('what cannot be had is told, and the other neighbours stay', () => {
  const noInterface = (name: string) =>
    `this machine has no interface ${name}, or one whose name FRR cannot be told: name one of section network, or a port`;
  const intended: BgpIntended = {
    asn: 65101,
    neighbors: {
      a: { interface: 'uplink', remote_as: 'external' },
      b: { interface: 'ens1', remote_as: 'external' },
      c: { interface: 'gone', remote_as: 'external' },
      d: { interface: 'odd', remote_as: 'external' },
      e: { interface: 'eth77', remote_as: 'external' },
      f: { address: '10.0.0.1', remote_as: 1, source: 'gone' },
      g: { remote_as: 1 },
      h: { address: '10.0.0.1' },
    },
  };
  const { bgp: wanted, problems } = resolved(intended);
  expect(Object.keys((wanted as { neighbors: object }).neighbors)).toEqual(['ens1']);
  expect(problems.map(({ path, message }) => [path, message])).toEqual([
    ['/neighbors/b', 'ens1 is another neighbour, too'],
    ['/neighbors/c', noInterface('gone')],
    ['/neighbors/d', noInterface('odd')],
    ['/neighbors/e', noInterface('eth77')],
    ['/neighbors/f', noInterface('gone')],
    ['/neighbors/g', 'a neighbour needs an address or an interface'],
    ['/neighbors/h', 'a neighbour needs remote_as: its AS number, "external" or "internal"'],
  ]);
  expect(resolved({ neighbors: {} })).toEqual({
    bgp: undefined,
    problems: [
      { section: 'bgp', path: '/asn', message: 'BGP needs an AS number: set asn on the node, its rack or its role' },
    ],
  });
  expect(resolved({})).toEqual({ bgp: undefined, problems: [] });
});
