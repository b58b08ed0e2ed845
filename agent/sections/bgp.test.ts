import { expect, test } from 'vitest';
import { bgp } from '../../shared/sections/bgp.ts';
import { openSystem } from '../system.ts';
import { makeTree } from '../testing/tree.ts';
import { observe } from './bgp.ts';

const daemons = '# bgpd=yes\nbgpd=yes\nospfd=no\nbfdd="yes"\nvtysh_enable=yes\nzebra_options="  -A 127.0.0.1"\n';

function observeConf(conf: string) {
  const found = observe(openSystem(makeTree({ '/etc/frr/daemons': daemons, '/etc/frr/frr.conf': conf })));
  expect(bgp.observed.parse(found)).toEqual(found);
  return found;
}

test('a machine without FRR has no such section; with FRR and no BGP, the daemons that run', () => {
  expect(observe(openSystem(makeTree({ '/etc/hostname': 'n1\n' })))).toBeUndefined();
  expect(observeConf('log syslog informational\n')).toEqual({ daemons: { bgpd: true, bfdd: true } });
});

test("a leaf as an engineer wrote it: peer groups, no `exit`, everything FRR's default", () => {
  const found = observeConf(`! leaf 12
frr version 7.5.1
frr defaults traditional
hostname leaf12
password 8 SECRET
!
interface swp1
 description neighbor 10.0.0.9 remote-as 1
!
router bgp 65012
 bgp router-id 10.0.0.12
 neighbor SPINES peer-group
 neighbor SPINES remote-as external
 neighbor SPINES bfd 3 100 100
 neighbor SPINES description up to  the spines
 neighbor SPINES password SECRET
 neighbor swp51 interface peer-group SPINES
 neighbor swp52 interface v6only peer-group SPINES
 neighbor swp52 description odd one
 neighbor 10.0.0.200 remote-as internal
 neighbor 10.0.0.200 update-source lo
 neighbor 10.0.0.201 remote-as 1.10
 neighbor 10.0.0.201 ebgp-multihop
 neighbor 10.0.0.201 shutdown
 !
 address-family ipv4 unicast
  network 10.0.0.12/32 route-map SET
  redistribute connected route-map LOOPBACKS
  no neighbor 10.0.0.201 activate
  maximum-paths 16
  maximum-paths ibgp 4
 exit-address-family
 !
 address-family ipv6 unicast
  redistribute connected
  neighbor SPINES activate
 exit-address-family
 !
 address-family l2vpn evpn
  neighbor 10.0.0.201 activate
  advertise-all-vni
 exit-address-family
!
router bgp 65012 vrf red
 neighbor 10.5.0.1 remote-as 7
!
router ospf
 network 10.0.0.0/8 area 0
!
ip prefix-list LO description loopbacks
ip prefix-list LO seq 5 deny 10.0.0.99/32
ip prefix-list LO seq 10 permit 10.0.0.0/24 ge 32
ip prefix-list LO permit 10.4.0.0/16 ge 20 le 24
ip prefix-list OTHER seq 5 permit any
route-map LOOPBACKS deny 5
 match ip address prefix-list OTHER
route-map LOOPBACKS permit 10
 match ip address prefix-list LO
route-map UNUSED permit 10
 match ip address prefix-list OTHER
line vty
`);
  const spine = {
    interface: true,
    remote_as: 'external',
    bfd: true,
    address_families: { ipv4_unicast: true, ipv6_unicast: true },
  };
  expect(found).toEqual({
    asn: 65012,
    router_id: '10.0.0.12',
    multipath: 16,
    neighbors: {
      swp51: { ...spine, description: 'up to the spines' },
      swp52: { ...spine, description: 'odd one' },
      '10.0.0.200': { remote_as: 'internal', source: 'lo', bfd: false, address_families: { ipv4_unicast: true } },
      '10.0.0.201': { remote_as: 65546, multihop: 255, bfd: false, address_families: {} },
    },
    announce: {
      networks: { '10.0.0.12/32': true },
      connected: {
        '10.0.0.0/24': { ge: 32, le: 32 },
        '10.4.0.0/16': { ge: 20, le: 24 },
        '::/0': { ge: 0, le: 128 },
      },
    },
    daemons: { bgpd: true, bfdd: true },
    other_instances: { red: true },
  });
  expect(JSON.stringify(found)).not.toContain('SECRET');
});

test('as `write memory` of FRR 8.4 leaves it: activation told, a BFD profile without what is its default', () => {
  const found = observeConf(`frr version 8.4.4
frr defaults datacenter
no ip forwarding
!
router bgp 4200000101 vrf blue
 bgp router-id 10.9.0.1
 no bgp default ipv4-unicast
 neighbor eth0 interface remote-as external
 neighbor eth0 bfd
 neighbor eth0 bfd profile fast
 neighbor 10.1.1.1 remote-as 65001
 !
 address-family ipv4 unicast
  neighbor eth0 activate
  neighbor eth0 route-map out out
 exit-address-family
exit
!
bfd
 profile fast
  transmit-interval 100
 exit
 !
exit
!
end
`);
  expect(found).toEqual({
    asn: 4200000101,
    router_id: '10.9.0.1',
    vrf: 'blue',
    neighbors: {
      eth0: { interface: true, remote_as: 'external', bfd: true, address_families: { ipv4_unicast: true } },
      '10.1.1.1': { remote_as: 65001, bfd: false, address_families: {} },
    },
    bfd: { detect_multiplier: 3, receive_ms: 300, transmit_ms: 100 },
    daemons: { bgpd: true, bfdd: true },
  });
});

test('a file that is none: what cannot be read is not told', () => {
  const found = observeConf(`router bgp
 neighbor
 neighbor __proto__ remote-as x
 neighbor a ebgp-multihop many
 maximum-paths lots
 network nowhere
router bgp 99999999999999999999
ip prefix-list
route-map
\u0000\u0000
`);
  expect(found).toEqual({
    neighbors: {
      a: { bfd: false, address_families: { ipv4_unicast: true } },
    },
    daemons: { bgpd: true, bfdd: true },
    other_instances: { default: true },
  });
});
