import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Peer } from '../testing.ts';
import { judgeClock } from './clock.ts';
import { checkFolders, judgeSpace } from './disk.ts';
import { checkInterface } from './interface.ts';
import { judgeOffers } from './offers.ts';
import { checkPorts, neededPorts } from './ports.ts';
import { parseSockets } from './sockets.ts';

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-check-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('a table of sockets is read: those that wait, of IPv4 or of any address', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
  const row = (local: string, state: string, inode: number) =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0 0`;
  expect(
    parseSockets(
      [head, row('01004D0A:0043', '07', 11), row('00000000:0045', '07', 12), row('0100007F:0045', '01', 13), ''].join(
        '\n',
      ),
      'udp',
    ),
  ).toEqual([
    { protocol: 'udp', address: '10.77.0.1', port: 67, inode: '11' },
    { protocol: 'udp', address: '0.0.0.0', port: 69, inode: '12' },
  ]);
  const any = '00000000000000000000000000000000';
  const mapped = '0000000000000000FFFF00000100007F';
  const other = '000080FE00000000FF005450FE341200';
  expect(
    parseSockets(
      [head, row(`${any}:10B9`, '0A', 21), row(`${mapped}:0050`, '0A', 22), row(`${other}:0050`, '0A', 23)].join('\n'),
      'tcp',
    ),
  ).toEqual([
    { protocol: 'tcp', address: '0.0.0.0', port: 4281, inode: '21' },
    { protocol: 'tcp', address: '127.0.0.1', port: 80, inode: '22' },
  ]);
});

test('a port that a program has is told with its name, and what our own daemon has is not', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const peer = await Peer.open();
  onTestFinished(() => peer.close());
  const { port } = server.address() as { port: number };
  const needed = [
    { protocol: 'tcp' as const, port, what: 'boot files', way: 'stop it' },
    { protocol: 'udp' as const, port: peer.socket.address().port, what: 'DHCP', way: 'stop it' },
  ];
  expect(await checkPorts('127.0.0.1', needed, undefined)).toEqual([
    {
      ...{ check: 'ports', level: 'error', what: `TCP 127.0.0.1:${port} (boot files) is taken` },
      ...{ cause: expect.stringMatching(/ \(process \d+\) has it$/), way: 'stop it' },
    },
    {
      ...{ check: 'ports', level: 'warning', way: 'stop it' },
      what: `UDP 127.0.0.1:${needed[1]!.port} (DHCP) is shared with another program`,
      cause: expect.stringContaining(`(process ${process.pid})`),
    },
  ]);
  expect(await checkPorts('127.0.0.1', needed, process.pid)).toEqual([]);
  expect(await checkPorts('127.0.0.2', needed, undefined)).toEqual([]);
});

test('only ProxyDHCP needs port 4011', () => {
  expect(neededPorts('full', 4281).map(({ port }) => port)).toEqual([67, 69, 4281]);
  expect(neededPorts('proxy', 80).map(({ port }) => port)).toEqual([67, 4011, 69, 80]);
});

const giving = { server: '10.77.0.9', address: '10.77.0.50' };
const naming = { ...giving, nextServer: '10.77.0.8', bootFile: 'pxelinux.0' };
const telling = { server: '10.77.0.7', bootFile: 'ipxe.efi' };

test.each([
  ['nobody else', [], 'full', []],
  ['ourselves', [{ ...naming, server: '10.77.0.1' }], 'full', []],
  ['another server', [giving], 'full', ['dhcp error another DHCP server answers here: 10.77.0.9']],
  [
    'another server that names a boot file',
    [naming],
    'full',
    [
      'dhcp error another DHCP server answers here: 10.77.0.9',
      'next-server error 10.77.0.9 names another boot file than ours: pxelinux.0',
    ],
  ],
  ['the server that is expected', [giving], 'proxy', []],
  [
    'one that names its own boot file',
    [naming],
    'proxy',
    ['next-server error 10.77.0.9 names another boot file than ours: pxelinux.0'],
  ],
  ['no server at all', [], 'proxy', ['dhcp error no DHCP server gives addresses here']],
  [
    'two servers',
    [giving, { ...giving, server: '10.77.0.6' }],
    'proxy',
    ['dhcp warning several DHCP servers give addresses here'],
  ],
  [
    'another ProxyDHCP server',
    [giving, telling],
    'proxy',
    [
      'dhcp error another ProxyDHCP server answers here: 10.77.0.7',
      'next-server error 10.77.0.7 names another boot file than ours: ipxe.efi',
    ],
  ],
] as const)('other servers: %s', (_, offers, dhcp, found) => {
  const findings = judgeOffers([...offers], dhcp, '10.77.0.1');
  expect(findings.map(({ check, level, what }) => `${check} ${level} ${what}`)).toEqual(found);
});

test('a boot file of another server is told with where machines would fetch it, and the way out', () => {
  expect(judgeOffers([naming], 'proxy', '10.77.0.1')).toEqual([
    {
      check: 'next-server',
      level: 'error',
      what: '10.77.0.9 names another boot file than ours: pxelinux.0',
      cause: 'machines may fetch it from 10.77.0.8 instead of 10.77.0.1',
      way: 'take next-server (siaddr, option 66) and the boot file (option 67) out of the settings of 10.77.0.9',
    },
  ]);
});

const november = Date.UTC(2026, 10, 22);

test.each([
  ['right', november, november + 60_000, []],
  ['right, as far as can be told', november, undefined, []],
  ['of 1970', 0, undefined, ['the clock says 1970-01-01T00:00:00.000Z, which is past']],
  ['behind', november - 120_000, november, ["the clock is 120 s behind the server's"]],
  ['ten years ahead', november + 3650 * 86_400_000, november, ["the clock is 315360000 s ahead of the server's"]],
])('103 a clock that is %s', (_, now, server, found) => {
  expect(judgeClock(now, server).map(({ what }) => what)).toEqual(found);
});

test('103 a clock that is wrong is an error, with its cause and the way out', () => {
  const common = {
    check: 'clock',
    level: 'error',
    way: 'set the clock, and keep it by NTP (timedatectl set-ntp true)',
  };
  expect([...judgeClock(0, undefined), ...judgeClock(november, november + 120_000)]).toEqual([
    {
      ...common,
      what: 'the clock says 1970-01-01T00:00:00.000Z, which is past',
      cause: 'this program is younger: the clock was not set since power-on, or its battery is empty',
    },
    {
      ...common,
      what: "the clock is 120 s behind the server's",
      cause:
        'it says 2026-11-22T00:00:00.000Z here and 2026-11-22T00:02:00.000Z there; certificates and leases depend on it',
    },
  ]);
});

test('104 a folder that cannot be written to is told, and one that is not there yet is judged by where it will be', () => {
  const directory = folder();
  const at = (path: string) => ({ path, what: 'images', setting: 'MACHINEDB_IMAGES' });
  expect(checkFolders([at(join(directory, 'not/yet'))])).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
  expect(checkFolders([at('/proc/images')])).toEqual([
    {
      check: 'disk',
      level: 'error',
      what: 'the folder of images, /proc/images, cannot be written to',
      cause: expect.stringContaining('ENOENT'),
      way: 'mount it for writing, make room, or set MACHINEDB_IMAGES to another folder',
    },
  ]);
  expect(
    [2e9, 5e8, 5e7].map((free) => judgeSpace(at('/i'), free).map(({ level, what }) => `${level} ${what}`)),
  ).toEqual([
    [],
    ['warning the folder of images, /i, has 500 MB left'],
    ['error the folder of images, /i, has 50 MB left'],
  ]);
  expect(judgeSpace(at('/i'), 5e7)).toMatchObject([
    {
      ...{ check: 'disk', cause: 'its file system is nearly full: leases and images cannot be kept then' },
      way: 'make room, or set MACHINEDB_IMAGES to another folder',
    },
  ]);
});

test('an interface that is absent, down, without carrier or without address is told', () => {
  const sys = folder();
  const add = (name: string, flags: string, carrier?: string) => {
    mkdirSync(join(sys, name));
    writeFileSync(join(sys, name, 'flags'), `${flags}\n`);
    if (carrier !== undefined) writeFileSync(join(sys, name, 'carrier'), `${carrier}\n`);
  };
  add('down0', '0x1002');
  add('cut0', '0x1003', '0');
  add('bare0', '0x1003', '1');
  add('lo', '0x9', '1');
  const what = (name: string) => {
    const found = checkInterface(name, sys);
    return 'what' in found ? `${found.what}: ${found.cause}` : found.address;
  };
  expect(['nosuch0', 'down0', 'cut0', 'bare0', 'lo'].map(what)).toEqual([
    'there is no interface nosuch0: this machine has bare0, cut0, down0, lo',
    'interface down0 is down: nobody has set it up',
    'interface cut0 has no carrier: no cable, a switch that is off, or a port that is shut there',
    'interface bare0 has no IPv4 address: nobody has given it one',
    '127.0.0.1',
  ]);
});
