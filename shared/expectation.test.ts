import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareVersions, expectations, judge } from './expectation.ts';
import { expectationsFrom } from './profile-from.ts';
import { issues } from './sections/issues.fixture.ts';

const gpu = (more: object = {}) => ({
  vendor: '0x10de',
  device: '0x2330',
  model: 'H100',
  link: { width: 16, max_speed_gts: 32 },
  ...more,
});
const gpus = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`0000:0${i}:00.0`, gpu()]));
const dimm = { size_bytes: 32 * 2 ** 30, type: 'DDR5' };
const machine = {
  firmware: { mode: 'uefi', version: '2.19.1', secure_boot: true },
  memory: { dimms: Object.fromEntries(Array.from({ length: 24 }, (_, i) => [`A${i}`, dimm])) },
  gpus,
  nics: {
    '02:00:00:00:00:01': { kind: 'ethernet', driver: 'mlx5_core', speed_mbps: 100_000, pci: '0000:41:00.0' },
    '02:00:00:00:00:02': { kind: 'ethernet', driver: 'igb', pci: '0000:42:00.0' },
  },
};
const wanted = expectations.parse({
  firmware: { facts: { version: { at_least: '2.19' }, secure_boot: true } },
  memory: { parts: { dimms: { count: 24, of: { size_bytes: '32GiB' } } } },
  gpus: {
    parts: { h100: { count: 8, of: { model: 'H100' }, each: { 'link.width': 16, 'link.max_speed_gts': 32 } } },
    others: false,
  },
  nics: { parts: { fast: { count: { at_least: 1 }, of: { kind: 'ethernet', speed_mbps: { at_least: 100_000 } } } } },
});
const faults = (observed: object, failed: Record<string, string> = {}) =>
  judge(wanted, { ...machine, ...observed }, failed).map(({ kind, path, message }) => `${kind} ${path}: ${message}`);

test('a machine that has what is expected has no fault', () => {
  expect(faults({})).toEqual([]);
});

test.each<[string, object, string[]]>([
  [
    'an old BIOS and no Secure Boot',
    { firmware: { version: '2.9.9', secure_boot: false } },
    [
      'mismatch /firmware/version: firmware version is 2.9.9: expected {"at_least":"2.19"}',
      'mismatch /firmware/secure_boot: firmware secure_boot is false: expected true',
    ],
  ],
  [
    'a fact that is not told',
    { firmware: { version: '2.20' } },
    ['missing /firmware/secure_boot: firmware secure_boot is not there: expected true'],
  ],
  [
    'a DIMM that shrank',
    { memory: { dimms: { ...machine.memory.dimms, A3: { size_bytes: 16 * 2 ** 30 } } } },
    ['missing /memory/dimms: 23 dimms among memory: expected 24'],
  ],
  [
    'a GPU at x8',
    { gpus: { ...gpus, '0000:03:00.0': gpu({ link: { width: 8, max_speed_gts: 32 } }) } },
    ['mismatch /gpus/h100/0000:03:00.0/link.width: gpus 0000:03:00.0 link.width is 8: expected 16'],
  ],
  [
    'a GPU more, of another model',
    { gpus: { ...gpus, '0000:09:00.0': gpu({ model: 'L4' }) } },
    ['unexpected /gpus/others/0000:09:00.0: gpus 0000:09:00.0 is there: only h100 expected'],
  ],
  [
    'a GPU too many',
    { gpus: { ...gpus, '0000:09:00.0': gpu() } },
    ['unexpected /gpus/h100: 9 h100 among gpus: expected 8'],
  ],
  [
    'GPUs without their driver, of which nobody knows the model',
    { gpus: Object.fromEntries(Object.keys(gpus).map((key) => [key, { vendor: '0x10de' }])) },
    ['unknown /gpus/h100: 0 h100 among gpus (8 more may be): expected 8'],
  ],
  [
    'a list that was cut short',
    { gpus: { truncated: { dropped: 3 } } },
    ['unknown /gpus/h100: 0 h100 among gpus (the report was cut short): expected 8'],
  ],
  ['a network port that is slow', { nics: {} }, ['missing /nics/fast: 0 fast among nics: expected {"at_least":1}']],
  [
    'a section that was not reported',
    { firmware: undefined },
    ['unknown /firmware: firmware has not been reported, so nobody knows whether it is as expected'],
  ],
])('%s', (_, observed, expected) => {
  expect(faults(observed)).toEqual(expected);
});

test('what could not be read is unknown, whatever was read before', () => {
  expect(faults({}, { firmware: 'EACCES' })).toEqual([
    'unknown /firmware: firmware could not be read (EACCES), so nobody knows whether it is as expected',
  ]);
});

test.each<[object, string]>([
  [{}, ': nothing is expected: name a section'],
  [{ gpu: {} }, 'gpu: no machine reports a section "gpu": there are system, cpu, numa, memory'],
  [
    { gpus: { facts: { 'link.widht': 16 } } },
    'gpus.facts.link.widht: no agent reports link.widht: look at a node with machinedb observed',
  ],
  [
    { gpus: { parts: { a: { count: 1, each: { 'link.widht': 16 } } } } },
    'gpus.parts.a.each.link.widht: no agent reports link.widht: look at a node with machinedb observed',
  ],
  [
    { gpus: { parts: { a: { count: 1, of: { link: 16 } } } } },
    'gpus.parts.a.of.link: link is not one value: name one in it',
  ],
  [
    { firmware: { facts: { version: 2.19 } } },
    'firmware.facts.version: version is a string, and 2.19 is expected: write "2.19", in quotes',
  ],
  [
    { firmware: { facts: { secure_boot: 'yes' } } },
    'firmware.facts.secure_boot: secure_boot is a boolean, and "yes" is expected',
  ],
  [
    { memory: { facts: { total_bytes: { at_least: '32 gigs' } } } },
    'memory.facts.total_bytes: total_bytes is a number, or a size as "32GiB", and "32 gigs" is expected',
  ],
  [
    { firmware: { parts: { a: { count: 1 } } } },
    'firmware.parts: firmware has no parts: memory, gpus, nics, disks, pci, numa have; expect facts',
  ],
  [{ firmware: { fact: {} } }, 'firmware: Unrecognized key: "fact"'],
  [{ firmware: { facts: { version: {} } } }, 'firmware.facts.version: expect a value, or at_least, at_most, one_of'],
])('%j is refused', (value, issue) => {
  const found = issues(expectations, value);
  expect(found).toHaveLength(1);
  expect(found[0]!.slice(0, issue.length)).toBe(issue);
});

test('versions: runs of digits are numbers', () => {
  const sorted = ['1.0', '2.9.9', '2.19', '2.19.1', 'A05', 'A12'];
  expect([...sorted].reverse().sort(compareVersions)).toEqual(sorted);
  expect(compareVersions('2.019', '2.19')).toBe(0);
});

test('a profile made from a machine is met by it, holds no identifiers, and is a valid one', () => {
  const value = fc.record({
    model: fc.constantFrom('a', 'b', undefined),
    size_bytes: fc.constantFrom(1, 2, undefined),
    transport: fc.constantFrom('nvme', 'usb'),
    serial: fc.constant('SECRET'),
  });
  const observed = fc.record({
    disks: fc.dictionary(fc.constantFrom('SECRET1', 'SECRET2', 'SECRET3', 'truncated'), value),
    gpus: fc.dictionary(
      fc.constantFrom('x', 'y', 'z'),
      fc.record({ vendor: fc.constantFrom('1', '2'), link: fc.record({ width: fc.nat() }) }),
    ),
    firmware: fc.record({ version: fc.string({ maxLength: 5 }), secure_boot: fc.boolean() }),
    system: fc.record({ product: fc.constantFrom('', 'R750'), serial: fc.constant('SECRET') }),
  });
  fc.assert(
    fc.property(observed, (machine) => {
      const { truncated: _, ...disks } = machine.disks;
      const made = expectationsFrom({ ...machine, disks });
      expect(JSON.stringify(made)).not.toContain('SECRET');
      expect(issues(expectations, made)).toEqual([]);
      expect(judge(made, { ...machine, disks }).filter(({ kind }) => kind !== 'unknown')).toEqual([]);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('a profile from a node: kinds of parts with their counts, and what all of a kind share', () => {
  expect(expectationsFrom(machine)).toEqual({
    firmware: { facts: { mode: 'uefi', secure_boot: true, version: { at_least: '2.19.1' } } },
    memory: { parts: { dimms: { count: 24, of: { size_bytes: 32 * 2 ** 30, type: 'DDR5' } } } },
    gpus: {
      parts: {
        gpus: {
          count: 8,
          of: { vendor: '0x10de', device: '0x2330', model: 'H100' },
          each: { 'link.max_speed_gts': 32, 'link.width': 16 },
        },
      },
    },
    nics: {
      parts: {
        nics: { count: 1, of: { kind: 'ethernet', driver: 'mlx5_core', speed_mbps: 100_000 } },
        nics2: { count: 1, of: { kind: 'ethernet', driver: 'igb' } },
      },
    },
  });
});
