import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Peer } from '../testing.ts';
import { checkInterface } from './interface.ts';
import { judgeOffers } from './offers.ts';
import { checkPorts, neededPorts } from './ports.ts';

test('each finding of other servers tells its cause and a way out', () => {
  const giving = { server: '10.77.0.9', address: '10.77.0.50' };
  const judge = (offers: Parameters<typeof judgeOffers>[0], dhcp: 'full' | 'proxy') =>
    judgeOffers(offers, dhcp, '10.77.0.1').map(({ level, cause, way }) => [level, cause, way]);
  expect(judge([giving], 'full')).toEqual([
    [
      'error',
      'it offered 10.77.0.50 to a question of ours; machines follow whoever answers first',
      'stop it, or keep it off this network, or set MACHINEDB_PXE_DHCP=proxy and let it give the addresses',
    ],
  ]);
  expect(judge([], 'proxy')).toEqual([
    [
      'error',
      'MACHINEDB_PXE_DHCP=proxy only tells machines what to boot, and nobody offered an address',
      'start the DHCP server of this network, or set MACHINEDB_PXE_DHCP=full',
    ],
  ]);
  expect(judge([giving, { ...giving, server: '10.77.0.6' }], 'proxy')).toEqual([
    [
      'warning',
      '10.77.0.9 and 10.77.0.6 offered one; unless they know of each other, two machines get the same',
      'leave one of them, or make sure that they are a pair',
    ],
  ]);
  expect(judge([giving, { server: '10.77.0.7' }], 'proxy')).toEqual([
    [
      'error',
      'it tells machines what to boot; they follow whoever answers first',
      'stop it, or keep it off this network',
    ],
  ]);
});

test('each finding of the interface tells a way out', () => {
  const sys = mkdtempSync(join(tmpdir(), 'machinedb-check-'));
  onTestFinished(() => rmSync(sys, { recursive: true }));
  for (const [name, flags, carrier] of [
    ['down0', '0x1002', ''],
    ['cut0', '0x1003', '0'],
    ['bare0', '0x1003', '1'],
  ] as const) {
    mkdirSync(join(sys, name));
    writeFileSync(join(sys, name, 'flags'), flags);
    writeFileSync(join(sys, name, 'carrier'), carrier);
  }
  const setting = 'or set MACHINEDB_PXE to the interface of the machines';
  const found = (name: string) => {
    const finding = checkInterface(name, sys);
    return 'check' in finding ? [finding.check, finding.level, finding.way] : finding;
  };
  expect(['nosuch0', 'down0', 'cut0', 'bare0'].map(found)).toEqual([
    ['interface', 'error', 'set MACHINEDB_PXE to one of them'],
    ['interface', 'error', `ip link set down0 up, ${setting}`],
    ['interface', 'error', `look at the cable and the switch's port, ${setting}`],
    ['interface', 'error', `give it the boot service's address, ${setting}`],
  ]);
});

test('the ports that are needed, and one that a program has on every address', async () => {
  const [dhcp, proxy, tftp, http] = neededPorts('proxy', 80);
  const stop = 'stop it, or let it serve other interfaces only';
  expect([dhcp, proxy, tftp, http]).toEqual([
    { protocol: 'udp', port: 67, what: 'DHCP', way: stop },
    { protocol: 'udp', port: 4011, what: 'ProxyDHCP', way: stop },
    { protocol: 'udp', port: 69, what: 'TFTP', way: stop },
    { protocol: 'tcp', port: 80, what: 'boot files', way: `${stop}, or set MACHINEDB_PXE_PORT to another port` },
  ]);
  const peer = await Peer.open('0.0.0.0');
  onTestFinished(() => peer.close());
  const { port } = peer.socket.address();
  expect(await checkPorts('127.0.0.3', [{ ...dhcp!, port }], undefined)).toMatchObject([
    { check: 'ports', what: expect.stringMatching(/^UDP 127\.0\.0\.3:\d+ \(DHCP\) is (shared|taken)/), way: stop },
  ]);
});
