import { expect, test } from 'vitest';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { hardwareEvents } from './hardware.ts';

const GIB = 2 ** 30;
const gpu = (serial: string | undefined, width = 16) => ({
  model: 'H100',
  vendor: '0x10de',
  ...(serial === undefined ? {} : { serial }),
  link: { width, max_width: 16 },
});
const dimm = (serial: string, size = 32 * GIB) => ({ serial, size_bytes: size });
const machine = {
  system: { board: { serial: 'B1' }, serial: 'S1' },
  os: { installation_id: 'i1' },
  cpu: { sockets: 2, cores: 64, threads: 128 },
  gpus: { '0000:17:00.0': gpu('G1'), '0000:65:00.0': gpu('G2') },
  memory: { total_bytes: 64 * GIB, dimms: { A1: dimm('M1'), A2: dimm('M2') } },
  disks: {
    D1: { serial: 'D1', model: 'PM9A3', transport: 'nvme', pci: '0000:c1:00.0', namespace: 1, name: 'nvme0n1' },
    U1: { serial: 'U1', model: 'stick', transport: 'usb', name: 'sda' },
    sdb: { name: 'sdb', model: 'VIRTUAL', transport: 'scsi' },
  },
  nics: {
    '02:00:00:00:00:01': {
      mac: '02:00:00:00:00:01',
      driver: 'mlx5_core',
      pci: '0000:41:00.0',
      link: true,
      speed_mbps: 100_000,
    },
  },
  pci: {
    '0000:c1:00.0': { class: '0x010802', vendor: '0x144d', link: { width: 4, speed_gts: 16 } },
    '0000:00:1f.0': { class: '0x060100', link: { width: 4 } },
  },
};
const told = (changed: Record<string, unknown>, before: Record<string, unknown> = machine) =>
  hardwareEvents('n', before, changed).map(({ kind, data, reason }) => ({ kind, ...data, reason }));

test.each<[string, Record<string, unknown>, object[]]>([
  [
    'a GPU that vanished',
    { gpus: { '0000:17:00.0': gpu('G1') } },
    [
      {
        kind: 'hardware.gone',
        part: 'gpu',
        slot: '0000:65:00.0',
        before: { model: 'H100', vendor: '0x10de', serial: 'G2' },
        reason: 'gpu 0000:65:00.0 is gone: model H100, vendor 0x10de, serial G2',
      },
    ],
  ],
  [
    'a DIMM that shrank, and one that went',
    { memory: { dimms: { A1: dimm('M1', 16 * GIB) } } },
    [
      {
        kind: 'hardware.shrunk',
        part: 'dimm',
        slot: 'A1',
        before: { size_bytes: 32 * GIB },
        after: { size_bytes: 16 * GIB },
        reason: 'dimm A1 has less: size_bytes 34359738368 -> size_bytes 17179869184',
      },
      {
        kind: 'hardware.gone',
        part: 'dimm',
        slot: 'A2',
        before: { size_bytes: 32 * GIB, serial: 'M2' },
        reason: 'dimm A2 is gone: size_bytes 34359738368, serial M2',
      },
    ],
  ],
  [
    'a DIMM in the place of another',
    { memory: { dimms: { A1: dimm('M9'), A2: dimm('M2') } } },
    [
      {
        kind: 'hardware.replaced',
        part: 'dimm',
        slot: 'A1',
        before: { size_bytes: 32 * GIB, serial: 'M1' },
        after: { size_bytes: 32 * GIB, serial: 'M9' },
        reason: 'dimm A1 was replaced: size_bytes 34359738368, serial M1 -> size_bytes 34359738368, serial M9',
      },
    ],
  ],
  [
    'a link that fell from x16 to x8',
    { gpus: { '0000:17:00.0': gpu('G1', 8), '0000:65:00.0': gpu('G2') } },
    [
      {
        kind: 'hardware.link_fell',
        part: 'gpu',
        slot: '0000:17:00.0',
        before: { width: 16 },
        after: { width: 8 },
        reason: 'gpu 0000:17:00.0 has a slower link: width 16 -> width 8',
      },
    ],
  ],
  [
    'the link of an NVMe controller, and not that of a bridge',
    {
      pci: {
        '0000:c1:00.0': { class: '0x010802', vendor: '0x144d', link: { width: 2, speed_gts: 8 } },
        '0000:00:1f.0': { class: '0x060100', link: { width: 1 } },
      },
    },
    [
      {
        kind: 'hardware.link_fell',
        part: 'pci',
        slot: '0000:c1:00.0',
        before: { width: 4, speed_gts: 16 },
        after: { width: 2, speed_gts: 8 },
        reason: 'pci 0000:c1:00.0 has a slower link: width 4, speed_gts 16 -> width 2, speed_gts 8',
      },
    ],
  ],
  [
    'a disk that went, and one of the same slot in its place',
    { disks: { ...machine.disks, D1: undefined, D2: { ...machine.disks.D1, serial: 'D2' } } },
    [
      {
        kind: 'hardware.replaced',
        part: 'disk',
        slot: '0000:c1:00.0/1',
        before: { model: 'PM9A3', transport: 'nvme', serial: 'D1' },
        after: { model: 'PM9A3', transport: 'nvme', serial: 'D2' },
        reason:
          'disk 0000:c1:00.0/1 was replaced: model PM9A3, transport nvme, serial D1 -> model PM9A3, transport nvme, serial D2',
      },
    ],
  ],
  [
    'a GPU that was replaced by one whose link is narrower: another card is no change of a link',
    { gpus: { '0000:17:00.0': gpu('G9', 8), '0000:65:00.0': gpu('G2') } },
    [
      {
        kind: 'hardware.replaced',
        part: 'gpu',
        slot: '0000:17:00.0',
        before: { model: 'H100', vendor: '0x10de', serial: 'G1' },
        after: { model: 'H100', vendor: '0x10de', serial: 'G9' },
        reason:
          'gpu 0000:17:00.0 was replaced: model H100, vendor 0x10de, serial G1 -> model H100, vendor 0x10de, serial G9',
      },
    ],
  ],
  [
    'GPUs that have other addresses, since a card was taken out',
    { gpus: { '0000:16:00.0': gpu('G1'), '0000:65:00.0': gpu('G2') } },
    [
      {
        kind: 'hardware.moved',
        part: 'gpu',
        slot: '0000:17:00.0',
        before: { model: 'H100', vendor: '0x10de', serial: 'G1', slot: '0000:17:00.0' },
        after: { model: 'H100', vendor: '0x10de', serial: 'G1', slot: '0000:16:00.0' },
        reason:
          'gpu 0000:17:00.0 was moved: model H100, vendor 0x10de, serial G1, slot 0000:17:00.0 -> model H100, vendor 0x10de, serial G1, slot 0000:16:00.0',
      },
    ],
  ],
  [
    'a processor that is not there any more',
    { cpu: { sockets: 1, cores: 32, threads: 64 } },
    [
      {
        kind: 'hardware.shrunk',
        part: 'cpu',
        slot: '',
        before: { sockets: 2, cores: 64 },
        after: { sockets: 1, cores: 32 },
        reason: 'cpu has less: sockets 2, cores 64 -> sockets 1, cores 32',
      },
    ],
  ],
  [
    'an NVMe disk of a fabric, which has no PCI address',
    { disks: { ...machine.disks, F1: { serial: 'F1', model: 'remote', transport: 'nvme', name: 'nvme9n1' } } },
    [
      {
        kind: 'hardware.new',
        part: 'disk',
        slot: 'F1',
        after: { model: 'remote', transport: 'nvme', serial: 'F1' },
        reason: 'disk F1 is new: model remote, transport nvme, serial F1',
      },
    ],
  ],
])('%s', (_, changed, expected) => {
  expect(told(JSON.parse(JSON.stringify(changed)) as Record<string, unknown>)).toEqual(expected);
});

test.each<[string, Record<string, unknown>]>([
  ['USB disks', { disks: { D1: machine.disks.D1, sdb: machine.disks.sdb } }],
  [
    'a disk without serial that has another name',
    { disks: { D1: machine.disks.D1, sdc: { ...machine.disks.sdb, name: 'sdc' } } },
  ],
  [
    'the speed and carrier of a network port',
    { nics: { '02:00:00:00:00:01': { ...machine.nics['02:00:00:00:00:01'], link: false, speed_mbps: undefined } } },
  ],
  [
    'a GPU that lost its driver',
    { gpus: { '0000:17:00.0': { vendor: '0x10de' }, '0000:65:00.0': { vendor: '0x10de' } } },
  ],
  ['CPUs that were switched off', { cpu: { sockets: 1, cores: 32, offline: 64 } }],
  ['a main board that tells no serial any more', { system: {} }],
  ['another installation', { os: { installation_id: 'i2' }, gpus: {}, disks: {}, memory: {} }],
  ['the discovery image', { os: { installation_id: 'i1', discovery: true }, gpus: {}, disks: {} }],
  ['a section that was cut short', { gpus: { truncated: { dropped: 2 } } }],
])('nothing is told of %s', (_, changed) => {
  expect(told(changed)).toEqual([]);
});

test('nothing is told of a section that is reported for the first time', () => {
  expect(told({ gpus: machine.gpus }, { system: machine.system })).toEqual([]);
});

test('a board swap is one event, and so are many changes at once', () => {
  const other = {
    system: { board: { serial: 'B2' } },
    memory: { dimms: { A1: dimm('X1'), A2: dimm('X2') } },
    gpus: {},
  };
  expect(told(other)).toEqual([
    {
      kind: 'hardware.changed',
      board: { before: 'B1', after: 'B2' },
      counts: { 'dimm replaced': 2, 'gpu gone': 2 },
      reason: 'the main board is another one: its parts are not told one by one',
    },
  ]);
  const slots = (prefix: string) =>
    Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`S${i}`, dimm(`${prefix}${i}`)]));
  expect(told({ memory: { dimms: slots('b') } }, { memory: { dimms: slots('a') } })).toEqual([
    {
      kind: 'hardware.changed',
      counts: { 'dimm replaced': 17 },
      reason: '17 changes of hardware at once: they are not told one by one',
    },
  ]);
});

test('80 thousands of parts that all change are one event, in time that grows with their number', () => {
  const parts = (prefix: string) =>
    Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`${prefix}${i}`, { model: 'x'.repeat(1000), n: i }]));
  const began = performance.now();
  expect(told({ gpus: parts('b') }, { gpus: parts('a') })).toMatchObject([{ counts: { 'gpu moved': 4000 } }]);
  expect(performance.now() - began).toBeLessThan(2000);
});

test('the events are in the transaction of the report, once, also when it comes twice', async () => {
  const { db, keys, node } = await withIntents();
  const reports = createReports(db, keys, createMetrics());
  const id = await node();
  const put = (seq: number, sections: Record<string, unknown>) =>
    reports.put(id, { boot_id: 'b', seq, version: '1', sections }, String(seq));
  await put(1, machine);
  await put(2, { gpus: { '0000:17:00.0': gpu('G1') } });
  await put(2, { gpus: { '0000:17:00.0': gpu('G1') } });
  const events = await db.selectFrom('event').selectAll().where('kind', 'like', 'hardware.%').execute();
  const revision = await db
    .selectFrom('revision')
    .selectAll()
    .where('section', '=', 'gpus')
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow();
  expect(events).toMatchObject([
    { kind: 'hardware.gone', subject: `node/${id}`, data: { part: 'gpu', slot: '0000:65:00.0' } },
  ]);
  expect(Math.abs(events[0]!.at.getTime() - revision.at.getTime())).toBeLessThan(5);
});
