import type { Firmware } from '../../shared/sections/firmware.ts';
import { bootOrder } from '../firmware/boot-order.ts';
import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';
import { dmiText } from '../smbios/dmi.ts';
import { numberAt, readSmbios, type Smbios } from '../smbios/table.ts';
import type { System } from '../system.ts';

const variables = '/sys/firmware/efi/efivars';
const globalVariable = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** The platform's firmware: BIOS or UEFI, its version, secure boot, boot order (Linux: Documentation/filesystems/efivarfs.rst). */
export function observe(system: System): Firmware | undefined {
  const smbios = readSmbios(system);
  const text = dmiText(system, smbios);
  const file = (name: string) => known(system.read(`/sys/class/dmi/id/${name}`));
  const vendor = text('bios_vendor', 0, 0x04);
  const uefi = system.list('/sys/firmware/efi').length > 0;
  return {
    // A kernel started directly by a hypervisor has neither.
    mode: uefi ? 'uefi' : vendor === undefined ? undefined : 'bios',
    vendor,
    version: text('bios_version', 0, 0x05),
    date: isoDate(text('bios_date', 0, 0x08)),
    release: file('bios_release') ?? release(smbios, 0x14),
    controller_release: file('ec_firmware_release') ?? release(smbios, 0x16),
    smbios_version: smbios?.version.join('.'),
    uefi_bits: whole(system.read('/sys/firmware/efi/fw_platform_size')),
    secure_boot: flag(system, 'SecureBoot'),
    setup_mode: flag(system, 'SetupMode'),
    ...bootOrder((name) => variable(system, name)),
  };
}

/** SMBIOS writes dates as mm/dd/yyyy, before 2.3 with two digits of the year; anything else is undefined. */
export function isoDate(date: string | undefined): string | undefined {
  const match = /^(\d\d)\/(\d\d)\/(\d\d|\d{4})$/.exec(date ?? '');
  if (match === null) return undefined;
  const [, month, day, year = ''] = match;
  return `${year.length === 2 ? `19${year}` : year}-${month}-${day}`;
}

// Major and minor, a byte each; 0xff: there is none.
function release(smbios: Smbios | undefined, offset: number): string | undefined {
  const structure = smbios?.structures.find(({ type }) => type === 0);
  const word = structure && numberAt(structure, offset, 2);
  if (word === undefined || (word & 0xff) === 0xff || word >> 8 === 0xff) return undefined;
  return `${word & 0xff}.${word >> 8}`;
}

// An EFI variable's file is four bytes of attributes and its data.
function variable(system: System, name: string): Buffer | undefined {
  return system.readBytes(`${variables}/${name}-${globalVariable}`)?.subarray(4);
}

function flag(system: System, name: string): boolean | undefined {
  const data = variable(system, name);
  return data?.length === 1 ? data[0] === 1 : undefined;
}
