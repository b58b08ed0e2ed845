import { expect, test } from 'vitest';
import { firmware } from '../../shared/sections/firmware.ts';
import { observeEach } from '../facts.ts';
import { bootOrder } from '../firmware/boot-order.ts';
import { openSystem } from '../system.ts';
import { encode, smbiosTree } from '../testing/smbios.ts';
import { makeTree } from '../testing/tree.ts';
import { isoDate, observe } from './firmware.ts';

const variables = '/sys/firmware/efi/efivars';
const guid = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

test('UEFI with secure boot', () => {
  const root = makeTree({
    '/sys/firmware/efi/fw_platform_size': '64\n',
    [`${variables}/SecureBoot-${guid}`]: Buffer.from([6, 0, 0, 0, 1]),
    [`${variables}/SetupMode-${guid}`]: Buffer.from([6, 0, 0, 0, 0]),
    '/sys/class/dmi/id/bios_vendor': 'Dell Inc.\n',
    '/sys/class/dmi/id/bios_date': '04/12/2021\n',
    '/sys/class/dmi/id/bios_release': '2.2\n',
    '/sys/class/dmi/id/ec_firmware_release': '1.9\n',
  });
  expect(observe(openSystem(root))).toMatchObject({
    mode: 'uefi',
    vendor: 'Dell Inc.',
    date: '2021-04-12',
    release: '2.2',
    controller_release: '1.9',
    uefi_bits: 64,
    secure_boot: true,
    setup_mode: false,
  });
});

test('an EFI variable of another size is not understood', () => {
  const root = makeTree({ [`${variables}/SecureBoot-${guid}`]: Buffer.from([6, 0, 0, 0]) });
  expect(observe(openSystem(root))).toMatchObject({ mode: 'uefi', secure_boot: undefined });
});

test('an old table is too short to have releases', () => {
  const root = makeTree(smbiosTree([2, 3], [encode(0, 0, 0x13, { 4: 'Old BIOS', 8: '01/02/99' })]));
  expect(observe(openSystem(root))).toMatchObject({
    mode: 'bios',
    vendor: 'Old BIOS',
    date: '1999-01-02',
    release: undefined,
    smbios_version: '2.3',
  });
});

test.each(['2021-04-12', '4/12/2021', '13', '', undefined])('%j is no SMBIOS date', (date) => {
  expect(isoDate(date)).toBeUndefined();
});

/** A node of a device path. */
function node(type: number, subtype: number, data: Buffer): Buffer {
  const head = Buffer.from([type, subtype, 0, 0]);
  head.writeUInt16LE(4 + data.length, 2);
  return Buffer.concat([head, data]);
}

const end = node(0x7f, 0xff, Buffer.alloc(0));
const pci = node(1, 1, Buffer.from([0, 2]));
const hardDrive = node(4, 1, Buffer.alloc(38));
const loader = node(4, 4, Buffer.from('\\EFI\\debian\\shimx64.efi\0', 'utf16le'));
const port = node(3, 11, Buffer.concat([Buffer.from('525400123456', 'hex'), Buffer.alloc(27)]));
const web = node(3, 24, Buffer.from('http://boot.example.org/x.efi'));

/** A file of a Boot#### variable. */
function option(label: string, attributes: number, ...path: Buffer[]): Buffer {
  const nodes = Buffer.concat([...path, end]);
  const head = Buffer.alloc(10);
  head.writeUInt32LE(7, 0);
  head.writeUInt32LE(attributes, 4);
  head.writeUInt16LE(nodes.length, 8);
  return Buffer.concat([head, Buffer.from(`${label}\0`, 'utf16le'), nodes, Buffer.from('optional data')]);
}

const orderOf = (...ids: number[]) =>
  Buffer.concat([Buffer.alloc(4), ...ids.map((id) => Buffer.from([id & 255, id >> 8]))]);

test('the boot order: a disk, a port, HTTP, and an entry that is gone', () => {
  const root = makeTree({
    [`${variables}/BootOrder-${guid}`]: orderOf(3, 0x1a, 4, 9, 5),
    [`${variables}/Boot0003-${guid}`]: option('debian', 1, pci, hardDrive, loader),
    [`${variables}/Boot001A-${guid}`]: option('UEFI PXEv4', 0, pci, port, node(3, 12, Buffer.alloc(23))),
    [`${variables}/Boot0004-${guid}`]: option('HTTP', 1, port, web),
    [`${variables}/Boot0005-${guid}`]: option('CD', 1, node(5, 1, Buffer.alloc(4))),
    [`${variables}/Boot0007-${guid}`]: option('not in the order', 1, hardDrive),
  });
  const { sections, errors } = observeEach({ firmware: observe }, openSystem(root));
  expect(errors).toEqual({});
  expect(sections.firmware).toEqual({
    mode: 'uefi',
    boot_order: ['0003', '001A', '0004', '0009', '0005'],
    boot_entries: {
      '0003': { label: 'debian', active: true, from: 'disk', file: '\\EFI\\debian\\shimx64.efi' },
      '001A': { label: 'UEFI PXEv4', active: false, from: 'network', mac: '52:54:00:12:34:56' },
      '0004': {
        label: 'HTTP',
        active: true,
        from: 'network',
        mac: '52:54:00:12:34:56',
        uri: 'http://boot.example.org/x.efi',
      },
      '0005': { label: 'CD', active: true, from: 'bios' },
    },
  });
  expect(firmware.observed.parse(sections.firmware)).toEqual(sections.firmware);
});

test('a boot order of a thousand entries is cut and says so; entries cut short or with wrong lengths stand in the order only', () => {
  const whole = option('debian', 1, pci, hardDrive, loader);
  const tree: Record<string, Buffer> = {
    [`${variables}/BootOrder-${guid}`]: orderOf(...Array.from({ length: 1000 }, (_, id) => id)),
  };
  for (let id = 0; id < 40; id++)
    tree[`${variables}/Boot${id.toString(16).toUpperCase().padStart(4, '0')}-${guid}`] = whole.subarray(0, id);
  const found = observe(openSystem(makeTree(tree)));
  expect(found?.boot_order).toHaveLength(64);
  expect(found?.boot_order_dropped).toBe(1000 - 64);
  // Before the label has ended there is nothing.
  expect(Object.keys(found?.boot_entries ?? {}).sort()[0]).toBe((10 + 14).toString(16).padStart(4, '0'));
  for (let at = 4; at < whole.length; at++)
    for (const value of [0, 0xff]) {
      const wrong = Buffer.from(whole);
      wrong[at] = value;
      bootOrder((name) => (name === 'BootOrder' ? orderOf(1).subarray(4) : wrong.subarray(4)));
    }
});
