import { resolve } from '../../../shared/resolve.ts';
import { type BgpIntended, type BgpWanted, bgp } from '../../../shared/sections/bgp.ts';

/** Intents of BGP as fleets have them, by name: each has a frr.conf of that name beside this file. */
export const intents: Record<string, BgpIntended> = {
  'least-there-is': { asn: 65101 },
  'two-unnumbered-leaves': {
    asn: 4200000101,
    neighbors: {
      leaf1: { interface: 'uplink1', remote_as: 'external', bfd: true, description: 'leaf 1: r1/u41' },
      leaf2: { interface: 'uplink2', remote_as: 'external', bfd: true, description: 'leaf 2: r1/u42' },
    },
    announce: { connected: { '10.9.0.0/16': { ge: 32 }, 'fd00:9::/32': { ge: 128 } } },
  },
  'numbered-with-timers': {
    asn: 65101,
    neighbors: {
      a: { address: '10.1.0.1', remote_as: 65001, bfd: true },
      b: { address: '10.2.0.1', remote_as: 65002, bfd: true },
    },
    announce: { networks: { '10.9.0.1/32': true, '192.0.2.0/24': true } },
    bfd: { detect_multiplier: 4, receive_ms: 200, transmit_ms: 250 },
    multipath: 8,
  },
  'one-session-per-family': {
    asn: 65101,
    neighbors: {
      four: { address: '10.1.0.1', remote_as: 65001 },
      six: { address: 'fd00:1::1', remote_as: 65001 },
    },
    announce: { networks: { '10.9.0.1/32': true, 'fd00:9::1/128': true } },
  },
  'internal-from-loopback': {
    asn: 65000,
    router_id: '10.9.0.200',
    neighbors: { rr1: { address: '10.9.0.11', remote_as: 'internal', source: 'loopback' } },
    announce: { networks: { '10.9.0.1/32': true } },
  },
  'two-hops-away': {
    asn: 65101,
    neighbors: { rs: { address: '10.1.5.1', remote_as: 65001, multihop: 2, source: '10.9.0.1', bfd: true } },
  },
  'ipv4-over-ipv6-session': {
    asn: 65101,
    neighbors: {
      tor: { address: 'fd00:1::1', remote_as: 65001, address_families: { ipv4_unicast: true, ipv6_unicast: true } },
      only6: { interface: 'uplink1', remote_as: 'external', address_families: { ipv6_unicast: true } },
    },
  },
  'in-a-vrf': {
    asn: 65101,
    vrf: 'blue',
    neighbors: { leaf1: { interface: 'uplink1', remote_as: 65001 } },
    announce: { connected: { '0.0.0.0/0': { le: 32 } } },
  },
  'every-range': {
    asn: 65101,
    neighbors: { leaf1: { interface: 'uplink1', remote_as: 'external' } },
    announce: {
      connected: {
        '10.1.0.0/16': {},
        '10.2.0.0/16': { ge: 24 },
        '10.3.0.0/16': { le: 24 },
        '10.4.0.0/16': { ge: 20, le: 24 },
        '10.5.0.0/16': { ge: 16, le: 16 },
        '10.6.0.0/16': { ge: 16 },
        '10.7.0.5/32': { ge: 32, le: 32 },
        '::/0': { le: 128 },
        'fd00::/8': { ge: 64, le: 64 },
      },
    },
  },
  'as-frr-has-it': {
    asn: 65101,
    neighbors: { far: { address: '10.1.5.1', remote_as: 65001, multihop: 255, bfd: true } },
    bfd: { detect_multiplier: 3, receive_ms: 300, transmit_ms: 300 },
    multipath: 1,
  },
  'names-at-their-limits': {
    asn: 4294967294,
    neighbors: {
      a: { interface: 'a-b.c_d.1234567', remote_as: 1, description: `${'x'.repeat(39)} ${'/'.repeat(40)}` },
    },
    multipath: 64,
  },
};

const port = (name: string, mac: string) => ({ name, mac });

/** What one machine is wanted to be by such an intent: with two uplinks, and 10.9.0.1 on its loopback. */
export function wantedOf(intent: BgpIntended): BgpWanted {
  const interfaces = {
    uplink1: { match: { mac: '52:54:00:00:00:01' } },
    uplink2: { match: { mac: '52:54:00:00:00:02' } },
    loopback: { match: { name: 'lo' }, addresses: { main: { network: 'loopbacks' } } },
  };
  const nics = { a: port('ens1f0', '52:54:00:00:00:01'), b: port('ens1f1', '52:54:00:00:00:02') };
  const { wanted, problems } = resolve({
    intent: { bgp: bgp.intended.parse(intent), network: { interfaces } },
    observed: { nics: { ...nics, c: port('a-b.c_d.1234567', '52:54:00:00:00:03') } },
    allocations: [{ interface: 'loopback', label: 'main', network: 'loopbacks', address: '10.9.0.1' }],
    networks: { loopbacks: { cidr: '10.9.0.0/32', dns: [] } },
  });
  if (problems.length > 0) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
  return bgp.wanted.parse(wanted.bgp);
}
