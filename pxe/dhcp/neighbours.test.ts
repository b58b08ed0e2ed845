import { expect, test } from 'vitest';
import { keptLog } from '../testing.ts';
import { Neighbours } from './neighbours.ts';

const network = '10.77.0.1/24';

function open(expected: boolean) {
  const log = keptLog();
  const clock = { now: 0 };
  const neighbours = new Neighbours({ own: '10.77.0.1', expected, log, now: () => clock.now });
  const heard = (server: string, more: { proxy?: boolean; network?: string } = {}) =>
    neighbours.heard({ server, network, details: { mac: 'm' }, ...more });
  return { log, clock, heard, neighbours };
}

test('15 where we give the addresses, any other server is named once a minute, and we are not', () => {
  const { log, clock, heard } = open(false);
  heard('10.77.0.1');
  heard('10.77.0.9');
  heard('10.77.0.9');
  clock.now = 60_000;
  heard('10.77.0.9', { proxy: true });
  expect(log.lines).toEqual([
    [
      'warn',
      'another DHCP server answers in this network: machines may follow it',
      { server: '10.77.0.9', network, mac: 'm' },
    ],
    [
      'warn',
      'another ProxyDHCP server tells machines what to boot: they may follow it',
      { server: '10.77.0.9', network, mac: 'm' },
    ],
  ]);
});

test('15 of 1,000 invented servers 100 are told in a minute', () => {
  const { log, heard } = open(false);
  for (let i = 0; i < 1000; i++) heard(`10.9.${i >> 8}.${i & 255}`);
  expect(log.lines.length).toBe(100);
});

test('15 where another server gives the addresses it is named, and only a second one is warned of', () => {
  const { log, clock, heard } = open(true);
  heard('10.77.0.9');
  heard('10.77.0.9');
  heard('10.88.0.1', { network: '10.88.0.0/24' });
  heard('10.77.0.8');
  heard('10.77.0.7', { proxy: true });
  expect(log.lines).toEqual([
    ['info', 'this DHCP server gives the addresses here', { server: '10.77.0.9', network }],
    ['info', 'this DHCP server gives the addresses here', { server: '10.88.0.1', network: '10.88.0.0/24' }],
    [
      'warn',
      'a second DHCP server gives addresses in this network',
      { server: '10.77.0.8', network, expected: '10.77.0.9', mac: 'm' },
    ],
    [
      'warn',
      'another ProxyDHCP server tells machines what to boot: they may follow it',
      { server: '10.77.0.7', network, mac: 'm' },
    ],
  ]);
  log.lines.splice(0);
  clock.now = 900_000;
  heard('10.77.0.8');
  expect(log.lines).toEqual([['info', 'this DHCP server gives the addresses here', { server: '10.77.0.8', network }]]);
});

test('a network where nobody gives addresses is told of where another server is to', () => {
  const [full, proxy] = [open(false), open(true)];
  for (const { neighbours } of [full, proxy]) neighbours.looked(network);
  expect(full.log.lines).toEqual([]);
  expect(proxy.log.lines).toEqual([
    ['warn', 'no DHCP server gives addresses in this network: machines get none, and do not boot', { network }],
  ]);
  proxy.heard('10.77.0.9');
  proxy.neighbours.looked(network);
  expect(proxy.log.lines.length).toBe(2);
});
