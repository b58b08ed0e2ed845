import { expect, test } from 'vitest';
import { canonicalIp, ipAfter, networkOf } from './ip.ts';

test.each([
  ['10.1.0.5', '10.1.0.5'],
  ['2001:DB8:0:0::0001', '2001:db8::1'],
  ['::', '::'],
  ['fe80::1', 'fe80::1'],
  ['10.1.0.05', undefined],
  ['10.1.0', undefined],
  ['10.1.0.256', undefined],
  ['1::2::3', undefined],
  ['fe80::1%eth0', undefined],
  ['2001:db8::1/64', undefined],
  ['[::1]', undefined],
  ['host', undefined],
  ['', undefined],
])('canonicalIp(%o) is %o', (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test.each([
  ['10.1.255.5', 22, '10.1.252.0/22'],
  ['10.1.0.5', 0, '0.0.0.0/0'],
  ['10.1.0.5', 32, '10.1.0.5/32'],
  ['2001:db8:1:2:3:4:5:6', 56, '2001:db8:1::/56'],
  ['fd00::2', 64, 'fd00::/64'],
  ['::1', 128, '::1/128'],
])('networkOf(%o, %o) is %o', (address, prefix, network) => {
  expect(networkOf(address, prefix)).toBe(network);
});

test.each([
  ['10.1.0.0', 7, '10.1.0.7'],
  ['10.1.255.250', 10, '10.2.0.4'],
  ['255.255.255.255', 0, '255.255.255.255'],
  ['255.255.255.255', 1, undefined],
  ['2001:db8::', 65_536, '2001:db8::1:0'],
  ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 1, undefined],
])('ipAfter(%o, %o) is %o', (address, count, after) => {
  expect(ipAfter(address, count)).toBe(after);
});
