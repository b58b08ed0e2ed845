import { expect, test } from 'vitest';
import { checkedAddress, isAllowed, literalOf } from './address.ts';

test('93 nothing is sent to loopback, link-local, private, metadata and other special addresses, however written', async () => {
  const blocked = [
    ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...['169.254.169.254', '100.100.100.200', '192.0.0.192', '198.18.0.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
    ...['192.0.2.1', '192.88.99.1', '198.51.100.1', '203.0.113.1'],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:10.0.0.1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      'fe80::1',
    ],
    ...[
      'fd00:ec2::254',
      'fc00::1',
      'ff02::1',
      '2002:7f00:1::',
      '2001:db8::1',
      '2001::1',
      'fe80::1%eth0',
      'localhost',
      '',
      // Neither mapped IPv4, nor global.
      ...['::ff00:808:808', '::ff:808:808', '1::ffff:808:808', '3fff::1'],
    ],
  ];
  for (const address of blocked) expect(isAllowed(address, []), address).toBe(false);
  for (const address of ['1.1.1.1', '172.32.0.1', '::ffff:1.1.1.1', '2606:4700::1111', '2a00::1'])
    expect(isAllowed(address, []), address).toBe(true);
  // The URL parser brings every way to write an IPv4 address to one.
  for (const host of ['0x7f.1', '2130706433', '017700000001', '127.1', '[::ffff:127.0.0.1]', '[::1]', '0'])
    await expect(
      checkedAddress(new URL(`https://${host}/`), [], async () => []),
      host,
    ).rejects.toThrow('where nothing is sent: only public addresses, and networks that MACHINEDB_WEBHOOK_ALLOW names');
  expect(literalOf(new URL('https://example.org/'))).toBeUndefined();
});

test('a network that the operator names is sent to, and no other', async () => {
  const allowed = ['10.20.0.0/16', 'fd12::/32'];
  expect(
    ['10.20.3.4', '::ffff:10.20.3.4', 'fd12::1', '10.21.0.1', 'fd13::1'].map((a) => isAllowed(a, allowed)),
  ).toEqual([...[true, true, true, false, false]]);
  const url = new URL('https://hook.example.org/');
  const name = (...addresses: string[]) => checkedAddress(url, allowed, async () => addresses);
  expect(await name('127.0.0.1', '10.20.0.9')).toBe('10.20.0.9');
  await expect(name('127.0.0.1', '::1')).rejects.toThrow('hook.example.org is 127.0.0.1, ::1, where nothing is sent');
  await expect(name()).rejects.toThrow('hook.example.org is no address');
});
