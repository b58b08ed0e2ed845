import { expect, test } from 'vitest';
import type { NetworkWanted } from '../../../shared/sections/network.ts';
import type { Result } from '../../command.ts';
import { recorder } from '../../testing/recorder.ts';
import { wayTo } from './links.ts';
import { duplicateAddress, missingRoutes, networkProblem } from './probe.ts';

const wanted: NetworkWanted = {
  interfaces: {
    eth0: { addresses: { '10.1.0.5/24': {}, 'fd00::5/64': {} }, gateway: '10.1.0.1', gateway6: 'fd00::1' },
    eth1: { addresses: { '10.2.0.5/24': {} } },
    eth2: {
      vrf: 'blue',
      addresses: { '10.3.0.5/24': {} },
      unobserved: { routes: [{ to: '0.0.0.0/0', via: '10.3.0.1' }] },
    },
    blue: { kind: 'vrf', unobserved: { table: 7 } },
    lo: { addresses: { '10.255.0.5/32': {} } },
  },
};
/** What iproute2 says of the routes. */
const routes = {
  'ip -4 route show exact 0.0.0.0/0 table main': { stdout: 'default via 10.1.0.1 dev eth0 proto static \n' },
  'ip -4 route show exact 0.0.0.0/0 table 7': { stdout: 'default via 10.3.0.1 dev eth2 proto static \n' },
  'ip -6 route show exact ::/0 table main': { stdout: 'default via fd00::1 dev eth0 metric 1024 pref medium\n' },
};

test.each<[string, Record<string, Partial<Result>>, string | undefined]>([
  ['all answer', {}, undefined],
  ['no ping, but ARP', { ping: { status: 1 }, ip: { stdout: '10.1.0.1 lladdr 52:54:00:00:00:02 STALE' } }, undefined],
  ['there is no ping', { ping: { status: null, stderr: 'spawnSync ping ENOENT' } }, undefined],
  [
    'IPv4 is silent',
    { ping: { status: 1 }, 'ip -4': { stdout: '10.1.0.1 INCOMPLETE' } },
    'gateway 10.1.0.1 does not answer ARP on eth0',
  ],
  [
    'IPv6 is silent',
    { 'ping -c 1 -W 2 -I eth0 fd00::1': { status: 1 }, 'ip -6': { stdout: 'fd00::1 FAILED' } },
    'gateway fd00::1 does not answer neighbour discovery on eth0',
  ],
  [
    'that of a VRF is silent',
    { 'ping -c 1 -W 2 -I eth2 10.3.0.1': { status: 1 }, 'ip -4': { stdout: '' } },
    'gateway 10.3.0.1 does not answer ARP on eth2',
  ],
  [
    'the gateway of a VRF answers, and no route leads to it',
    { 'ip -4 route show exact 0.0.0.0/0 table 7': { stdout: '' } },
    'the route to 0.0.0.0/0 by 10.3.0.1 on eth2 is not there: what configures the network has not set it',
  ],
])('gateways: %s', (_, answers, problem) => {
  expect(networkProblem(recorder({ ...routes, ...answers }).run, wanted)).toBe(problem);
});

test('a route is there by one of the gateways that are wanted for it; without iproute2 nothing is said of it', () => {
  const both: NetworkWanted = { interfaces: { eth0: { gateway: '10.1.0.1' }, eth1: { gateway: '10.2.0.1' } } };
  const missing = (answer: Partial<Result>) => missingRoutes(recorder({ 'ip -4 route': answer }).run, both);
  expect(missing({ stdout: 'default via 10.2.0.1 dev eth1 \n' })).toEqual([]);
  expect(missing({ stdout: 'default via 10.2.0.11 dev eth1 \n' })).toEqual([
    { name: 'eth0', to: '0.0.0.0/0', via: '10.1.0.1', table: 'main' },
    { name: 'eth1', to: '0.0.0.0/0', via: '10.2.0.1', table: 'main' },
  ]);
  expect(missing({ status: null })).toEqual([]);
});

test('an address that is in use: asked only of what is not held, and not of the loopback interface', () => {
  const { run, commands } = recorder({
    'arping -D -c 2 -w 3 -I eth1': { status: 1, stdout: 'Unicast reply from 10.2.0.5 [52:54:00:AA:BB:CC]' },
  });
  expect(duplicateAddress(run, wanted, new Set(['10.1.0.5', '10.3.0.5']))).toBe(
    'address 10.2.0.5 is in use on eth1 by 52:54:00:aa:bb:cc already: take another, or find who has it',
  );
  expect(commands).toEqual(['arping -D -c 2 -w 3 -I eth1 10.2.0.5']);
});

test('an interface that is down, or an arping that is not there, says nothing', () => {
  const { run } = recorder({ arping: { status: 1, stdout: '' } });
  expect(duplicateAddress(run, wanted, new Set())).toBeUndefined();
});

test.each([
  ['10.2.0.9', { address: '10.2.0.5' }],
  ['192.0.2.1', { address: '10.1.0.5' }],
  ['[fd00::9]', { address: 'fd00::5' }],
  ['[2001:db8::1]', { address: 'fd00::5' }],
  ['10.3.0.9', { address: '10.3.0.5', vrf: 'blue' }],
  ['machinedb.example.org', undefined],
])('the proof for a server at %s goes by %j', (host, way) => {
  expect(wayTo(wanted.interfaces!, host)).toEqual(way);
});

test('a default gateway in a VRF is the way where there is no other', () => {
  const { eth1, eth2 } = wanted.interfaces!;
  expect(wayTo({ eth1, eth2 } as never, '192.0.2.1')).toEqual({ address: '10.3.0.5', vrf: 'blue' });
  expect(wayTo({ eth1: eth1! }, '192.0.2.1')).toBeUndefined();
});
