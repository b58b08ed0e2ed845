import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { disks } from '../../shared/sections/disks.ts';
import { openSystem } from '../system.ts';
import { diskTree as disk } from '../testing/disk.ts';
import { fixture, fixturePath, testCaptured } from '../testing/fixture.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { readTtar } from '../testing/ttar.ts';
import { observe } from './disks.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));

testCaptured('SATA behind AHCI, without serial', () => {
  const found = observe(openSystem(fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2')));
  expect(found).toEqual({
    sda: {
      name: 'sda',
      model: 'ST9250610NS',
      size_bytes: 250059350016,
      logical_sector_bytes: 512,
      physical_sector_bytes: 512,
      rotational: true,
      transport: 'sata',
      pci: '0000:00:1f.2',
      partitions: {
        1: { size_bytes: 139586437120 },
        2: { size_bytes: 21474836480 },
        3: { size_bytes: 5368709120 },
        4: { size_bytes: 1024 },
        5: { size_bytes: 83627081728 },
      },
    },
  });
  expect(disks.observed.parse(found)).toEqual(found);
});

testCaptured('a RAID volume; the optical drive is no disk', () => {
  expect(observe(openSystem(fixture('hwloc/40intel64-2g2n4c+pcilocality.tar.bz2')))).toMatchObject({
    sda: { vendor: 'DELL', model: 'PERC H700', firmware: '2.10', transport: 'scsi', pci: '0000:01:00.0' },
  });
});

testCaptured('NVMe by its WWN; device mapper and zram are no disks', () => {
  expect(observe(openSystem(fixture('ghw/linux-amd64-415ee03b8c4d1c4f07ae2e9d8b3d3d6d.tar.gz')))).toEqual({
    'eui.002538bc21b15601': {
      name: 'nvme0n1',
      wwn: 'eui.002538bc21b15601',
      size_bytes: 1024209543168,
      rotational: false,
      transport: 'nvme',
      pci: '0000:04:00.0',
      namespace: 1,
      controller: 'nvme0',
      partitions: {
        1: { size_bytes: 629145600 },
        2: { size_bytes: 1073741824 },
        3: { size_bytes: 1022505254912 },
      },
    },
  });
});

testCaptured('arrays of md are no disks', () => {
  expect(observeTree(readTtar(readFileSync(fixturePath('sysfs/node_exporter-sys.ttar'), 'utf8')))).toBeUndefined();
});

const nvme = { model: 'SAMSUNG MZQLB1T9HAJR-00007              \n', serial: 'S439NA0N\n', firmware_rev: 'EDA5402Q\n' };
const pci = 'pci0000:00/0000:00:01.0';

test('NVMe by serial; two namespaces of one controller by WWN, for both have its serial', () => {
  const one = disk(`${pci}/nvme/nvme0/nvme0n1`, nvme, { wwid: 'eui.0025385191b00001\n', nsid: '1\n' });
  expect(observeTree(one)).toEqual({
    S439NA0N: {
      name: 'nvme0n1',
      model: 'SAMSUNG MZQLB1T9HAJR-00007',
      serial: 'S439NA0N',
      wwn: 'eui.0025385191b00001',
      firmware: 'EDA5402Q',
      size_bytes: 1048576,
      transport: 'nvme',
      pci: '0000:00:01.0',
      namespace: 1,
      controller: 'nvme0',
    },
  });
  const two = disk(`${pci}/nvme/nvme0/nvme0n2`, nvme, { wwid: 'eui.0025385191b00002\n' });
  expect(Object.keys(observeTree({ ...one, ...two }) ?? {})).toEqual(['eui.0025385191b00001', 'eui.0025385191b00002']);
});

test('NVMe with native multipath lies under virtual; its hidden paths are not disks of their own', () => {
  const subsystem = 'virtual/nvme-subsystem/nvme-subsys0';
  const found = observeTree({
    ...disk(`${subsystem}/nvme0n1`, {}),
    ...disk(`${pci}/nvme/nvme0/nvme0c0n1`, nvme, { hidden: '1\n' }),
    [`/sys/devices/${subsystem}/nvme0`]: { link: `../../../${pci}/nvme/nvme0` },
  });
  expect(found).toMatchObject({ S439NA0N: { name: 'nvme0n1', pci: '0000:00:01.0' } });
  expect(Object.keys(found ?? {})).toHaveLength(1);
});

const sata = `${pci}/ata1/host0/target0:0:0/0:0:0:0/block/sda`;

test('partitions with the labels that udev found, and the arrays of md that they are in', () => {
  const found = observeTree({
    ...disk(
      sata,
      {},
      {
        'sda1/partition': '1\n',
        'sda1/size': '2048\n',
        'sda2/partition': '2\n',
        'sda2/size': '4096\n',
        'sda2/holders/md0': { link: '../../../../../../../../../../virtual/block/md0' },
        'sda2/holders/dm-0': { link: '../../../../../../../../../../virtual/block/dm-0' },
        'queue/rotational': '1\n',
      },
    ),
    '/sys/devices/virtual/block/md0/size': '4000\n',
    '/sys/devices/virtual/block/md0/md/level': 'raid1\n',
    '/sys/devices/virtual/block/md0/md/raid_disks': '2\n',
    '/sys/devices/virtual/block/md0/md/metadata_version': '1.2\n',
    '/sys/block/md0': { link: '../devices/virtual/block/md0' },
    '/dev/disk/by-label/EFI\\x20\\xc3\\xbc': { link: '../../sda1' },
    '/dev/disk/by-partlabel/boot': { link: '../../sda1' },
    '/dev/disk/by-label/whole': { link: '../../sda' },
  });
  expect(found).toEqual({
    sda: {
      name: 'sda',
      size_bytes: 1024 ** 2,
      rotational: true,
      transport: 'sata',
      pci: '0000:00:01.0',
      label: 'whole',
      partitions: {
        1: { size_bytes: 1024 ** 2, label: 'EFI ü', part_label: 'boot' },
        2: { size_bytes: 2 * 1024 ** 2 },
      },
      arrays: { md0: { level: 'raid1', members: 2, metadata: '1.2', size_bytes: 2_048_000 } },
    },
  });
  expect(disks.observed.parse(found)).toEqual(found);
});

test('what a network brings is no disk', () => {
  const size = { size: '2048\n' };
  expect(
    observeTree({
      ...disk('platform/host3/session1/target3:0:0/3:0:0:1/block/sda', { model: 'VIRTUAL-DISK\n' }, size),
      ...disk(`${pci}/host4/rport-4:0-1/target4:0:0/4:0:0:0/block/sdb`, { model: 'FlashArray\n' }, size),
      ...disk('virtual/nvme-fabrics/ctl/nvme1/nvme1n1', { transport: 'tcp\n' }, size),
      ...disk('virtual/block/loop0', {}, size),
      ...disk('rbd/0/block/rbd0', {}, size),
      ...disk(
        `${pci}/usb1/1-1/1-1:1.0/host5/target5:0:0/5:0:0:0/block/sdc`,
        { model: 'Virtual HDisk\n' },
        { size: '0\n' },
      ),
    }),
  ).toBeUndefined();
});

// 'SERIAL NUMBER' and IDENTIFY DEVICE pages as an ATA disk behind libata has them.
const serialPage = Buffer.from('\0\x80\0\x08Z1W0AB12', 'latin1');
function ataPage(model: string): Buffer {
  const page = Buffer.alloc(572);
  page[1] = 0x89;
  Buffer.from(model.padEnd(40), 'latin1')
    .swap16()
    .copy(page, 60 + 54);
  return page;
}

test('SATA: serial and whole model out of the VPD pages', () => {
  const sata = {
    vendor: 'ATA     \n',
    model: 'TOSHIBA MG08ADA8\n',
    rev: '4303\n',
    wwid: 'naa.5000039b28c9d4e1\n',
    vpd_pg80: serialPage,
    vpd_pg89: ataPage('TOSHIBA MG08ADA800E'),
  };
  expect(observeTree(disk(`${pci}/ata3/host2/target2:0:0/2:0:0:0/block/sda`, sata))).toEqual({
    Z1W0AB12: {
      name: 'sda',
      model: 'TOSHIBA MG08ADA800E',
      serial: 'Z1W0AB12',
      wwn: 'naa.5000039b28c9d4e1',
      firmware: '4303',
      size_bytes: 1048576,
      transport: 'sata',
      pci: '0000:00:01.0',
    },
  });
});

test('a SAS disk on two cables is one disk', () => {
  const sas = { vendor: 'SEAGATE \n', model: 'ST10000NM0096\n', wwid: 'naa.5000c500a1b2c3d7\n', vpd_pg80: serialPage };
  const found = observeTree({
    ...disk(`${pci}/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda`, sas),
    ...disk(`${pci}/host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:0/block/sdb`, sas),
  });
  expect(found).toMatchObject({ Z1W0AB12: { name: 'sda', vendor: 'SEAGATE', transport: 'sas', paths: 2 } });
  expect(Object.keys(found ?? {})).toHaveLength(1);
});

test("a USB disk has its bridge's serial", () => {
  const usb = `${pci}/usb2/2-1`;
  const found = observeTree({
    ...disk(`${usb}/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdd`, { model: 'Ultra Fit\n' }),
    [`/sys/devices/${usb}/idVendor`]: '0781\n',
    [`/sys/devices/${usb}/serial`]: '4C530001\n',
  });
  expect(found).toMatchObject({ '4C530001': { model: 'Ultra Fit', transport: 'usb' } });
});

test('a placeholder is no serial, and control characters reach no key', () => {
  const virtio = (serial: string) => disk(`${pci}/virtio1/block/vda`, {}, { serial });
  expect(Object.keys(observeTree(virtio('To Be Filled By O.E.M.')) ?? {})).toEqual(['vda']);
  expect(Object.keys(observeTree(virtio('\x1b[31mred\x07\n')) ?? {})).toEqual(['[31mred']);
});

test("this machine's disks are as lsblk says", () => {
  const columns = 'NAME,SIZE,MODEL,SERIAL,ROTA,TYPE';
  interface Block {
    name: string;
    size: number;
    model: string | null;
    serial: string | null;
    rota: boolean;
    type: string;
  }
  const text = execFileSync('lsblk', ['-J', '-b', '-d', '-o', columns], { encoding: 'utf8' });
  const { blockdevices } = JSON.parse(text) as { blockdevices: Block[] };
  const shown = blockdevices.filter(
    ({ name, type, size }) => type === 'disk' && size > 0 && !/^(zram|nbd|rbd)/.test(name),
  );
  const found = Object.values(observe(openSystem()) ?? {});
  expect(found.map(({ name }) => name).sort()).toEqual(shown.map(({ name }) => name).sort());
  for (const { name, size, model, serial, rota } of shown) {
    const disk = found.find((each) => each.name === name);
    expect(disk).toMatchObject({ size_bytes: size, rotational: rota });
    // lsblk reads what udev keeps, which a container does not have.
    if (serial !== null) expect(disk?.serial).toBe(serial);
    if (model !== null) expect(disk?.model).toBe(model);
  }
});
