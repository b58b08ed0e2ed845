import { expect, test } from 'vitest';
import { bgp } from './bgp.ts';
import { issues } from './issues.fixture.ts';

test('an intent', () => {
  const intent = {
    asn: 4200000001,
    router_id: '10.9.0.1',
    neighbors: {
      leaf1: { interface: 'uplink1', remote_as: 'external', bfd: true, description: 'leaf 1: r1/u2' },
      leaf2: { address: '10.1.0.1', remote_as: 65001, multihop: 2, source: 'loopback' },
      rr: { address: 'fd00::1', remote_as: 'internal', source: 'fd00::2', address_families: { ipv4_unicast: true } },
    },
    announce: { networks: { '10.9.0.1/32': true }, connected: { '10.9.0.0/16': { ge: 32 }, 'fd00::/8': {} } },
    bfd: { detect_multiplier: 3, receive_ms: 300, transmit_ms: 300 },
    vrf: 'blue',
    multipath: 8,
  };
  expect(bgp.intended.parse(intent)).toEqual(intent);
});

const neighbor = (value: object) => ({ neighbors: { a: value } });
const injected = ['../a', 'a\nrouter bgp 1', 'a!', "a'", 'a"b', '$(id)', 'a | b', 'a  b', ' a', 'a#b', 'ä', 'a\u0000'];

test.each([
  [{ asn: 0 }, 'asn: an AS number is 1 to 4294967294'],
  [{ asn: 4294967295 }, 'asn: an AS number is 1 to 4294967294'],
  ...[23456, 65535].map((asn): [object, string] => [
    { asn },
    'asn: this AS number is reserved; private ones are 64512 to 65534 and 4200000000 to 4294967294',
  ]),
  [{ router_id: 'fd00::1' }, 'router_id: a router id is written as an IPv4 address'],
  [{ router_id: '0.0.0.0' }, 'router_id: a router id is not 0.0.0.0 (RFC 6286)'],
  [neighbor({ address: '10.1.0.1/24' }), 'neighbors.a.address: not an IP address (without prefix length)'],
  [neighbor({ remote_as: 'extern' }), 'neighbors.a.remote_as: remote_as is an AS number, "external" or "internal"'],
  [
    neighbor({ address: '10.1.0.1', interface: 'eth0' }),
    'neighbors.a.interface: a neighbour has an address or an interface, not both',
  ],
  [
    neighbor({ interface: 'eth0', multihop: 2 }),
    'neighbors.a.interface: an unnumbered neighbour is on its link: it has neither source nor multihop',
  ],
  [
    neighbor({ address: '10.1.0.1', source: 'fd00::1' }),
    'neighbors.a.source: source and address are of one family, IPv4 or IPv6',
  ],
  // A description is no path: dots and slashes are right in it.
  ...injected
    .slice(1)
    .map((text): [object, string] => [
      neighbor({ description: text }),
      'neighbors.a.description: describe with letters, digits, "-", "_", ".", ":", "/" and single blanks between words',
    ]),
  ...[...injected, 'a b', 'a/b', '10.1.0.1.2', ''].map((text): [object, string] => [
    neighbor({ interface: text }),
    'neighbors.a.interface: name an interface with letters, digits, ".", "_" and "-", at most 63, a letter first',
  ]),
  ...injected.map((text): [object, string] => [
    neighbor({ source: text }),
    'neighbors.a.source: source is an IP address, or an interface as network names it',
  ]),
  ...[...injected, 'a.b.c.d.e.f.g.h.i'].map((vrf): [object, string] => [
    { vrf },
    'vrf: name a VRF with letters, digits, ".", "_" and "-", at most 15, a letter first',
  ]),
  [{ vrf: 'default' }, 'vrf: the default VRF is meant when vrf is absent'],
  [
    { announce: { networks: { '10.1.0.5/24': true } } },
    'announce.networks.10.1.0.5/24: write this prefix as 10.1.0.0/24',
  ],
  ...['10.1.0.0', '10.1.0.0/33', 'fd00::/129', '10.1.0.0/08', 'any', '10.1.0.0/8 le 32', '/8'].map(
    (prefix): [object, string] => [
      { announce: { connected: { [prefix]: {} } } },
      `announce.connected.${prefix}: not a prefix: write 10.1.0.0/16 or fd00:1::/32`,
    ],
  ),
  ...[{ ge: 8 }, { le: 33 }, { ge: 24, le: 20 }, { le: 15 }, { ge: 33 }].map((lengths): [object, string] => [
    { announce: { connected: { '10.1.0.0/16': lengths } } },
    'announce.connected.10.1.0.0/16: ge and le are prefix lengths: 16 <= ge <= le <= 32',
  ]),
  [{ multipath: 65 }, 'multipath: Too big: expected number to be <=64'],
  [{ neighbours: {} }, ': Unrecognized key: "neighbours"'],
])('%j is refused', (intent, issue) => {
  expect(issues(bgp.intended, intent)).toEqual([issue]);
});
