import { execFileSync } from 'node:child_process';
import { blockDevices, type Systeminformation } from 'systeminformation';
import { expect, test } from 'vitest';
import { observe as observeDisks } from './sections/disks.ts';
import { observe as observePci } from './sections/pci.ts';
import { openSystem } from './system.ts';

const said = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' });

interface Block {
  name: string;
  size: number;
  type: string;
  rota: boolean;
  'log-sec': number;
  'phy-sec': number;
  model: string | null;
  serial: string | null;
  wwn: string | null;
}

test("this machine's disks are those of lsblk, field by field", () => {
  const columns = 'NAME,SIZE,TYPE,ROTA,LOG-SEC,PHY-SEC,MODEL,SERIAL,WWN';
  const { blockdevices } = JSON.parse(said('lsblk', '-J', '-b', '-d', '-o', columns)) as { blockdevices: Block[] };
  const shown = blockdevices.filter(({ type, name, size }) => type === 'disk' && !/^(zram|nbd)/.test(name) && size > 0);
  const found = Object.values(observeDisks(openSystem()) ?? {});
  expect(found.map(({ name }) => name).sort()).toEqual(shown.map(({ name }) => name).sort());
  for (const block of shown) {
    const disk = found.find(({ name }) => name === block.name);
    expect(disk).toMatchObject({
      size_bytes: block.size,
      rotational: block.rota,
      logical_sector_bytes: block['log-sec'],
      physical_sector_bytes: block['phy-sec'],
    });
    // Where udev runs; without it, lsblk knows less than we do.
    if (block.serial !== null) expect(disk?.serial).toBe(block.serial.trim());
    if (block.model !== null) expect(disk?.model).toBe(block.model.trim());
  }
});

test("so are systeminformation's", async () => {
  const shown = (await blockDevices()).filter(
    ({ type, name }: Systeminformation.BlockDevicesData) => type === 'disk' && /^(sd|vd|xvd|nvme)/.test(name),
  );
  const found = Object.values(observeDisks(openSystem()) ?? {});
  for (const { name, size } of shown) expect(found.find((disk) => disk.name === name)?.size_bytes).toBe(size);
});

test("this machine's PCI functions are those of lspci, field by field", () => {
  const found = observePci(openSystem()) ?? {};
  const blocks = said('lspci', '-Dvmmnk')
    .split('\n\n')
    .filter((block) => block.trim() !== '');
  const shown = blocks.map((block) => new Map(block.split('\n').map((line) => line.split(':\t') as [string, string])));
  const virtual = new Set(Object.values(found).flatMap(({ sriov }) => Object.keys(sriov?.functions ?? {})));
  expect(Object.keys(found)).toEqual(
    shown
      .map((fields) => fields.get('Slot')!)
      .filter((slot) => !virtual.has(slot))
      .sort(),
  );
  const id = (text: string | undefined) => (text === undefined ? undefined : `0x${text}`);
  for (const fields of shown) {
    const { class: pciClass, ...value } = found[fields.get('Slot')!] ?? {};
    expect(pciClass?.slice(0, 6)).toBe(id(fields.get('Class')));
    const none = fields.get('SVendor') === undefined;
    expect([value.vendor, value.device]).toEqual([id(fields.get('Vendor')), id(fields.get('Device'))]);
    if (!none)
      expect([value.subsystem_vendor, value.subsystem_device]).toEqual([
        id(fields.get('SVendor')),
        id(fields.get('SDevice')),
      ]);
    expect(value.driver).toBe(fields.get('Driver'));
    if (fields.has('NUMANode')) expect(value.numa_node).toBe(Number(fields.get('NUMANode')));
    // lspci shows no revision of 00.
    expect(value.revision ?? '0x00').toBe(id(fields.get('Rev') ?? '00'));
  }
});
