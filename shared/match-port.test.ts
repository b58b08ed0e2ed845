import { expect, test } from 'vitest';
import { interfaceName, unmatched } from './match-port.ts';
import { type Intent, resolve } from './resolve.ts';
import { asked, saved } from './sections/lldp.fixture.ts';

/** eth0 and v0, as a machine reports them. */
const nics = { a: { name: 'eth0', driver: 'e1000e' }, b: { name: 'v0', driver: 'mlx5_core' } };
const bySavedFile = { nics, lldp: { v0: saved } };
const byAnswer = { nics, lldp: { v0: asked } };

test('a port is found by the switch and the port that its cable leads to, by names, ids or description', () => {
  for (const observed of [bySavedFile, byAnswer]) {
    const of = (system: string, port: string, more = {}) =>
      interfaceName('uplink', { lldp: { system, port }, ...more }, observed);
    expect(of('sw1.r1.ams1', 'Ethernet7/1')).toBe('v0');
    expect(of('00:1c:73:00:01:00', 'Ethernet7/1')).toBe('v0');
    expect(of('sw1.r1.ams1', 'to "n7" über rack r1')).toBe('v0');
    expect(of('switch-b', '516')).toBe('v0');
    expect(of('switch-b', 'xe-0/0/4')).toBe('v0');
    // Of one neighbour, not the name of one and the port of another.
    expect(of('sw1.r1.ams1', '516')).toBeUndefined();
    expect(of('sw1.r1.ams1', 'Ethernet7/1', { driver: 'mlx5_core' })).toBe('v0');
    expect(of('sw1.r1.ams1', 'Ethernet7/1', { driver: 'e1000e' })).toBeUndefined();
  }
});

const intent: Intent = {
  hostname: { hostname: 'n1' },
  network: {
    interfaces: {
      uplink: { match: { lldp: { system: 'sw1.r1.ams1', port: 'Ethernet7/1' } }, mtu: 9000 },
      other: { match: { name: 'eth0' }, mtu: 1500 },
    },
  },
  bgp: {
    asn: 65001,
    router_id: '10.0.0.1',
    neighbors: { up: { interface: 'uplink', remote_as: 'external' } },
  },
};
const resolved = (observed: Record<string, unknown>) => resolve({ intent, observed, allocations: [], networks: {} });

test('what a machine reports of its neighbours becomes the interface that the intent means', () => {
  const { wanted, problems } = resolved(byAnswer);
  expect(problems).toEqual([]);
  expect(wanted.network).toEqual({ interfaces: { v0: { mtu: 9000 }, eth0: { mtu: 1500 } } });
  expect(wanted.bgp).toMatchObject({ neighbors: { v0: { interface: true } } });
});

test('while the neighbour is not seen, network and BGP are left alone: it comes back with the link', () => {
  const { wanted, problems } = resolved({ nics });
  expect(wanted).toEqual({ hostname: { hostname: 'n1' } });
  expect(problems[0]).toEqual({
    section: 'network',
    path: '/interfaces/uplink',
    message:
      'no port of this machine matches {"lldp":{"system":"sw1.r1.ams1","port":"Ethernet7/1"}}: it has seen no LLDP neighbour; ' +
      'its switch must send LLDP, and systemd-networkd listen on the port',
  });
});

test('a cable that leads elsewhere: the finding names where', () => {
  const match = { lldp: { system: 'sw1.r1.ams1', port: 'Ethernet8/1' } };
  expect(unmatched(match, byAnswer)).toBe(
    'no port of this machine matches {"lldp":{"system":"sw1.r1.ams1","port":"Ethernet8/1"}}: its LLDP neighbours are ' +
      '"sw1.r1.ams1" port "Ethernet7/1" ("to "n7" über rack r1") on v0, "switch-b" port "516" ("xe-0/0/4") on v0',
  );
  const neighbor = (index: number) => ({ chassis_id: 'sw', port_id: `p${index}` });
  const ports = Array.from({ length: 10 }, (_, index) => [`eth${index}`, { 'sw p': neighbor(index) }] as const);
  const many = { lldp: { ...Object.fromEntries(ports), eth99: { truncated: { dropped: 3 } } } };
  expect(unmatched(match, many)).toMatch(/"sw" port "p7" on eth7 and 2 more$/);
});
