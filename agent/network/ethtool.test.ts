import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nics } from '../../shared/sections/nics.ts';
import { askMachine } from '../questions.ts';
import { observe } from '../sections/nics.ts';
import { ANSWERS, openSystem } from '../system.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { portsToAsk } from './ethtool.ts';
import { netdevs } from './netdev.ts';

/** A port below a device, as sysfs shows it. */
function port(name: string, device: string, files: Tree): Tree {
  const folder = `devices/pci0000:00/${device}`;
  return {
    ...Object.fromEntries(Object.entries(files).map(([file, value]) => [`/sys/${folder}/net/${name}/${file}`, value])),
    [`/sys/class/net/${name}`]: { link: `../../${folder}/net/${name}` },
  };
}

const set = (mac: string): Tree => ({ type: '1\n', address: mac, addr_assign_type: '3\n' });
const machine: Tree = {
  ...port('plain', '0000:00:01.0', { address: 'b8:3f:d2:00:00:01\n', addr_assign_type: '0\n' }),
  ...port('team', '0000:00:02.0', set('b8:3f:d2:00:00:01\n')),
  ...port('bonded', '0000:00:03.0', {
    ...set('b8:3f:d2:00:00:01\n'),
    'bonding_slave/perm_hwaddr': 'b8:3f:d2:00:00:03\n',
  }),
  ...port('rdma', '0000:00:04.0', { address: 'b8:3f:d2:00:00:04\n', addr_assign_type: '0\n' }),
  '/sys/devices/pci0000:00/0000:00:04.0/infiniband/mlx5_0/fw_ver': '20.31.1014\n',
  ...port('virtual', '0000:00:05.0/virtio1', set('52:54:00:00:00:05\n')),
  ...port('function', '0000:00:06.0', set('b8:3f:d2:00:00:06\n')),
  '/sys/devices/pci0000:00/0000:00:06.0/physfn': { link: '../0000:00:04.0' },
};
const information = (version: string) => `driver: ixgbe\nversion: 6.1.0\nfirmware-version: ${version}\nbus-info: x\n`;
const answers = (told: Record<string, string>): Tree =>
  Object.fromEntries(Object.entries(told).map(([file, text]) => [`${ANSWERS}/ethtool${file}`, text]));
const seen = (told: Record<string, string>) =>
  Object.entries(observe(openSystem(makeTree({ ...machine, ...answers(told) }))) ?? {}).map(([key, value]) => [
    key,
    value.name,
    value.mac,
    value.firmware,
  ]);

test('only what no file tells is asked, and nothing of ports that have no firmware', () => {
  const system = openSystem(makeTree(machine));
  expect(portsToAsk(system).map((each) => `${each.question} ${each.port.name}`)).toEqual([
    '-i bonded',
    '-i plain',
    '-i team',
    '-P team',
  ]);
});

test('a permanent MAC under one that somebody set, and the firmware of cards without RDMA', () => {
  const told = {
    '-i-plain': information('0x800003df, 1.949.0'),
    '-i-bonded': information('N/A'),
    '-i-team': information(''),
    '-P-team': 'Permanent address: B8:3F:D2:00:00:02\n',
    '-i-rdma': information('not asked'),
  };
  expect(seen(told)).toEqual([
    ['b8:3f:d2:00:00:01', 'plain', 'b8:3f:d2:00:00:01', '0x800003df, 1.949.0'],
    ['b8:3f:d2:00:00:02', 'team', 'b8:3f:d2:00:00:02', undefined],
    ['b8:3f:d2:00:00:03', 'bonded', 'b8:3f:d2:00:00:03', undefined],
    ['b8:3f:d2:00:00:04', 'rdma', 'b8:3f:d2:00:00:04', '20.31.1014'],
    ['virtual', 'virtual', undefined, undefined],
  ]);
  const found = observe(openSystem(makeTree({ ...machine, ...answers(told) })));
  expect(nics.observed.parse(found)).toEqual(found);
});

test('a machine is asked by the section, and its answers are told', async () => {
  // Not a captured machine: those are asked nothing.
  const system = { ...openSystem(makeTree(machine)), root: '' };
  const asked: string[][] = [];
  const answered = await askMachine(system, ['nics'], async (tool, args) => {
    asked.push([tool, ...args]);
    return { status: 0, stdout: Buffer.from(information(`of ${args[1]}`)) };
  });
  expect(asked).toEqual([
    ['ethtool', '-i', 'bonded'],
    ['ethtool', '-i', 'plain'],
    ['ethtool', '-i', 'team'],
    ['ethtool', '-P', 'team'],
  ]);
  expect(Object.values(observe(answered) ?? {}).map(({ name, firmware }) => [name, firmware])).toContainEqual([
    'plain',
    'of plain',
  ]);
});

test.each([
  ['not set', 'Permanent address: not set\n'],
  ['of nobody', 'Permanent address: 00:00:00:00:00:00\n'],
  ['of many', 'Permanent address: 01:00:5e:00:00:01\n'],
  ['cut short', 'Permanent address: b8:3f:d2:00\n'],
  ['in other words', 'Adresse permanente: b8:3f:d2:00:00:02\n'],
  ['garbage', '\xff\0\x01'.repeat(1000)],
])('a permanent address %s is none, and the rest stays', (_, text) => {
  const plain = ['b8:3f:d2:00:00:01', 'plain', 'b8:3f:d2:00:00:01', undefined];
  const found = seen({ '-P-team': text, '-i-plain': text });
  expect(found).toContainEqual(plain);
  expect(found).toContainEqual(['team', 'team', undefined, undefined]);
});

test('ethtool itself says what is read here', () => {
  const own = netdevs(openSystem()).find(({ device }) => device !== undefined)!;
  const ask = (question: string) => execFileSync('ethtool', [question, own.name], { encoding: 'utf8' });
  // The driver of a virtual machine may know none.
  const address = readFileSync(`${own.folder}/address`, 'utf8');
  expect([`Permanent address: ${address}`, 'Permanent address: not set\n']).toContain(ask('-P'));
  expect(ask('-i')).toMatch(/^driver: \S+\n.*^firmware-version: .*\n/ms);
});
