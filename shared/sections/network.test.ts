import { expect, test } from 'vitest';
import { issues } from './issues.fixture.ts';
import { network } from './network.ts';

test('an intent', () => {
  const intent = {
    interfaces: {
      mgmt: {
        match: { mac: 'b8:3f:d2:00:00:01' },
        mtu: 9000,
        addresses: {
          main: { network: 'mgmt' },
          v6: { network: 'mgmt6', address: '2001:db8::5' },
          bmc: { network: 'bmc', by: 'unit', offset: 100 },
        },
        gateway: '10.1.0.1',
        gateway6: '2001:db8::1',
      },
      eth1: { dhcp4: true },
    },
    dns: { servers: { '10.0.0.53': true }, search: { 'rack1.example': true } },
  };
  expect(network.intended.parse(intent)).toEqual(intent);
});

test.each([
  [
    { interfaces: { a: { addresses: { main: { network: 'mgmt', address: '10.1.0.5/24' } } } } },
    'interfaces.a.addresses.main.address: not an IP address (without prefix length)',
  ],
  [
    { interfaces: { a: { addresses: { main: { network: 'mgmt', address: '2001:DB8::0:5' } } } } },
    'interfaces.a.addresses.main.address: write this address as 2001:db8::5',
  ],
  [
    { interfaces: { a: { addresses: { main: { network: 'mgmt', address: '10.1.0.5', by: 'unit' } } } } },
    'interfaces.a.addresses.main.by: an address is given, or follows from the unit: leave one of "address" and "by" out',
  ],
  [
    { interfaces: { a: { addresses: { main: { network: 'mgmt', offset: 5 } } } } },
    'interfaces.a.addresses.main.offset: an offset goes with by: "unit"',
  ],
  [
    { interfaces: { a: { match: {} } } },
    'interfaces.a.match: match names at least one of mac, name, pci, driver, lldp',
  ],
  [
    { interfaces: { a: { match: { mac: 'B8-3F-D2-00-00-01' } } } },
    'interfaces.a.match.mac: write a MAC as aa:bb:cc:dd:ee:ff, in lower case',
  ],
  [
    { interfaces: { a: { match: { name: 'eth0\nExecStart=' } } } },
    'interfaces.a.match.name: an interface has a name of 1 to 15 letters, digits, ".", "_" and "-", a letter or digit first',
  ],
  [{ interfaces: { a: { gateway: '2001:db8::1' } } }, 'interfaces.a.gateway: not an IPv4 address; IPv6 has gateway6'],
  [{ interfaces: { a: { gateway6: '10.1.0.1' } } }, 'interfaces.a.gateway6: not an IPv6 address; IPv4 has gateway'],
  [{ interfaces: { a: { mtu: 60 } } }, 'interfaces.a.mtu: IPv4 needs an MTU of 68 or more'],
  [{ interfaces: { a: { adresses: {} } } }, 'interfaces.a: Unrecognized key: "adresses"'],
  [
    { interfaces: { '../x': {} } },
    'interfaces.../x: name an interface with letters, digits, ".", "_" and "-", at most 63, a letter or digit first',
  ],
  [{ dns: { servers: { 'dns.example': true } } }, 'dns.servers.dns.example: not an IP address (without prefix length)'],
  [{ dns: { search: { 'a b': true } } }, 'dns.search.a b: not a domain name in lower case'],
])('%j', (intent, message) => {
  expect(issues(network.intended, intent)).toEqual([message]);
});

test('what is wanted has the shape of what is observed', () => {
  const wanted = {
    interfaces: { eth0: { mtu: 1500, addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.1' } },
    dns: { servers: { '10.0.0.53': true } },
  };
  expect(network.wanted.parse(wanted)).toEqual(wanted);
  expect(network.observed.parse(wanted)).toEqual(wanted);
});
