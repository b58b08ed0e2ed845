import { expect, test } from 'vitest';
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
