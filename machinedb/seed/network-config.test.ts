import { expect, test } from 'vitest';
import { networkConfig } from './network-config.ts';

test('ports by MAC in lower case, routes without "default", name servers; VRFs, rules and other tables stay out', () => {
  const config = networkConfig(
    {
      interfaces: {
        lo: { addresses: { '192.0.2.1/32': {} } },
        enp1s0: {
          mtu: 9000,
          addresses: { '10.1.0.5/24': {}, '2001:db8::5/64': {} },
          gateway: '10.1.0.1',
          gateway6: '2001:db8::1',
          unobserved: {
            metric: 50,
            routes: [
              { to: '198.51.100.0/24', via: '10.1.0.9' },
              { to: '203.0.113.0/24', via: '10.1.0.9', table: 7 },
            ],
            rules: [{ priority: 1, from: '10.1.0.5/32', table: 7 }],
          },
        },
        enp2s0: {},
        bond0: { kind: 'bond', members: { enp2s0: true }, bond: { mode: '802.3ad', mii_monitor_ms: 100 } },
        'bond0.7': { kind: 'vlan', vlan: 7, parent: 'bond0', dhcp4: true },
        br0: { kind: 'bridge', members: { 'bond0.7': true } },
        blue: { kind: 'vrf' },
        enp3s0: { vrf: 'blue', addresses: { '10.9.0.1/24': {} } },
      },
      dns: { servers: { '10.1.0.53': true }, search: { 'example.org': true } },
    },
    { enp1s0: '52:54:00:AB:CD:01', enp3s0: '52:54:00:00:00:03' },
  );
  expect(config).toBe(`version: 2
ethernets:
  enp1s0:
    match:
      macaddress: "52:54:00:ab:cd:01"
    set-name: "enp1s0"
    mtu: 9000
    dhcp4: false
    addresses: ["10.1.0.5/24", "2001:db8::5/64"]
    routes: [{to: "0.0.0.0/0", via: "10.1.0.1", metric: 50}, {to: "::/0", via: "2001:db8::1", metric: 50}, {to: "198.51.100.0/24", via: "10.1.0.9"}]
    nameservers:
      addresses: ["10.1.0.53"]
      search: ["example.org"]
  enp2s0:
    dhcp4: false
bonds:
  bond0:
    interfaces: ["enp2s0"]
    parameters:
      mode: "802.3ad"
      mii-monitor-interval: 100
    dhcp4: false
bridges:
  br0:
    interfaces: ["bond0.7"]
    parameters:
      stp: false
    dhcp4: false
vlans:
  "bond0.7":
    id: 7
    link: "bond0"
    dhcp4: false
`);
});

test('no network wanted, no configuration: cloud-init then has its own', () => {
  expect(networkConfig({}, {})).toBe('');
  expect(networkConfig({ interfaces: { lo: {} } }, {})).toBe('');
});
