import { posix } from 'node:path';
import type { Tpm } from '../../shared/sections/tpm.ts';
import { answerIn } from '../parse/answer.ts';
import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';
import { readSmbios } from '../smbios/table.ts';
import { smbiosTpm, tpmFirmware } from '../smbios/tpm.ts';
import { type System, TPM_ANSWER } from '../system.ts';
import type { TpmAnswer } from '../tpm/ask.ts';

const at = '/sys/class/tpm/tpm0';

/**
 * The TPM: from ACPI and SMBIOS, also where the kernel has no driver for it, from sysfs (Linux:
 * Documentation/ABI/stable/sysfs-class-tpm), and from itself where it was asked (tpm/device.ts). Never its PCRs.
 */
export function observe(system: System): Tpm | undefined {
  const answer = answerIn(system, TPM_ANSWER) as Partial<TpmAnswer> | undefined;
  const smbios = readSmbios(system);
  const driver = system.link(`${at}/device/driver`);
  const parts: (Tpm | undefined)[] = [
    inAcpi(system),
    smbios && smbiosTpm(smbios),
    inSysfs(system),
    answer?.properties && byProperties(answer.properties),
  ];
  return {
    // Each part knows better than those before it, where it knows.
    ...Object.fromEntries(
      parts.flatMap((part) => Object.entries(part ?? {}).filter(([, value]) => value !== undefined)),
    ),
    interface: driver === undefined ? undefined : known(posix.basename(driver)),
    endorsement: answer?.endorsement,
  };
}

// TCG ACPI Specification: the tables that tell the kernel of one.
function inAcpi(system: System): Tpm {
  const tables = new Set(system.list('/sys/firmware/acpi/tables'));
  return { version: tables.has('TPM2') ? '2.0' : tables.has('TCPA') ? '1.2' : undefined };
}

function inSysfs(system: System): Tpm {
  const major = whole(system.read(`${at}/tpm_version_major`));
  // TPM 1.2 only: 'Manufacturer: 0x49465800', 'TCG version: 1.2', 'Firmware version: 3.17'.
  const caps = system.read(`${at}/caps`) ?? system.read(`${at}/device/caps`) ?? '';
  const cap = (name: string) => known(new RegExp(`^${name}:[ \\t]*(.+)$`, 'm').exec(caps)?.[1]);
  const manufacturer = cap('Manufacturer');
  const description = system.read(`${at}/device/description`) ?? '';
  return {
    version:
      major === 2 ? '2.0' : major === 1 ? '1.2' : (cap('TCG version') ?? /TPM (2\.0|1\.2)/.exec(description)?.[1]),
    manufacturer: manufacturer?.startsWith('0x') === true ? ascii(Number(manufacturer)) : manufacturer,
    firmware: cap('Firmware version'),
  };
}

// Part 2, 6.13, table 27: TPM_PT_FIXED is 0x100.
function byProperties(properties: TpmAnswer['properties']): Tpm {
  const at = (offset: number) => properties[String(0x100 + offset)];
  const texts = [6, 7, 8, 9].map((offset) => ascii(at(offset) ?? 0, false) ?? '');
  const [high, low] = [at(11) ?? 0, at(12) ?? 0];
  const revision = at(2);
  return {
    version: '2.0',
    revision: revision === undefined ? undefined : (revision / 100).toFixed(2),
    manufacturer: ascii(at(5) ?? 0),
    vendor: known(texts.join('')),
    firmware: tpmFirmware(high, low),
  };
}

// Four letters in a number.
function ascii(value: number, trimmed = true): string | undefined {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  const text = bytes.toString('latin1').replaceAll('\0', '');
  return trimmed ? known(text) : text;
}
