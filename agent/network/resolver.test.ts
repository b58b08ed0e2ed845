import { expect, test } from 'vitest';
import { openSystem } from '../system.ts';
import { makeTree } from '../testing/tree.ts';
import { dnsOf, parseResolver } from './resolver.ts';

test('servers and search domains; the last search line counts, as in resolv.conf(5)', () => {
  const text = [
    '# made by hand',
    'domain old.example',
    'nameserver 10.0.0.53 # near',
    'nameserver 2001:DB8::53',
    'nameserver fe80::1%eth0',
    'nameserver one.example',
    'search Rack1.Example. example',
    'options edns0 trust-ad',
  ].join('\n');
  expect(parseResolver(text)).toEqual({
    servers: { '10.0.0.53': true, '2001:db8::53': true, 'fe80::1': true },
    search: { 'rack1.example': true, example: true },
  });
});

test('behind the stub of systemd-resolved are its servers', () => {
  const root = makeTree({
    '/etc/resolv.conf': { link: '../run/systemd/resolve/stub-resolv.conf' },
    '/run/systemd/resolve/stub-resolv.conf': 'nameserver 127.0.0.53\nsearch example\n',
    '/run/systemd/resolve/resolv.conf': 'nameserver 10.0.0.53\nsearch example\n',
  });
  expect(dnsOf(openSystem(root))).toEqual({ servers: { '10.0.0.53': true }, search: { example: true } });
});

test('no file, no DNS', () => {
  expect(dnsOf(openSystem(makeTree({ '/etc/hostname': 'a\n' })))).toBeUndefined();
});
