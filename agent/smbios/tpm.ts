import type { Tpm } from '../../shared/sections/tpm.ts';
import { known } from '../parse/placeholder.ts';
import { numberAt, type Smbios } from './table.ts';

/** The TPM in SMBIOS: type 43 (DSP0134, 7.44). */
export function smbiosTpm({ structures }: Smbios): Tpm | undefined {
  const device = structures.find(({ type }) => type === 43);
  const [major, minor] = [device && numberAt(device, 0x08, 1), device && numberAt(device, 0x09, 1)];
  if (device === undefined || major === undefined || minor === undefined) return undefined;
  return {
    version: major === 1 || major === 2 ? `${major}.${minor}` : undefined,
    manufacturer: known(device.area.toString('latin1', 4, 8)),
    firmware: firmwareOf(major, numberAt(device, 0x0a, 4), numberAt(device, 0x0e, 4)),
  };
}

// 2.0: as the TPM's own properties; 1.2: the third and fourth byte.
function firmwareOf(major: number, first: number | undefined, second: number | undefined): string | undefined {
  if (first === undefined) return undefined;
  return major === 1 ? `${(first >> 16) & 255}.${first >>> 24}` : tpmFirmware(first, second ?? 0);
}

/** A TPM 2.0's firmware version of its two numbers, as makers write it: 7.85.4555.0; undefined when both are 0. */
export function tpmFirmware(first: number, second: number): string | undefined {
  const words = [first >>> 16, first & 0xffff, ...(second === 0 ? [] : [second >>> 16, second & 0xffff])];
  return first === 0 && second === 0 ? undefined : words.join('.');
}
