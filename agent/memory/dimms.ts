import type { Memory } from '../../shared/sections/memory.ts';
import { keyed } from '../parse/keyed.ts';
import { known } from '../parse/placeholder.ts';
import { numberAt, type Smbios, type Structure, stringAt } from '../smbios/table.ts';

type Dimm = NonNullable<Memory['dimms']>[string];

// DSP0134, 7.18.2 and 7.18.1; what it calls other or unknown is left out.
const types: Record<number, string> = {
  3: 'DRAM',
  4: 'EDRAM',
  5: 'VRAM',
  6: 'SRAM',
  7: 'RAM',
  8: 'ROM',
  9: 'flash',
  10: 'EEPROM',
  11: 'FEPROM',
  12: 'EPROM',
  13: 'CDRAM',
  14: '3DRAM',
  15: 'SDRAM',
  16: 'SGRAM',
  17: 'RDRAM',
  18: 'DDR',
  19: 'DDR2',
  20: 'DDR2 FB-DIMM',
  24: 'DDR3',
  25: 'FBD2',
  26: 'DDR4',
  27: 'LPDDR',
  28: 'LPDDR2',
  29: 'LPDDR3',
  30: 'LPDDR4',
  31: 'logical non-volatile',
  32: 'HBM',
  33: 'HBM2',
  34: 'DDR5',
  35: 'LPDDR5',
  36: 'HBM3',
};
const formFactors: Record<number, string> = {
  3: 'SIMM',
  4: 'SIP',
  5: 'chip',
  8: 'proprietary card',
  6: 'DIP',
  7: 'ZIP',
  9: 'DIMM',
  10: 'TSOP',
  11: 'row of chips',
  12: 'RIMM',
  13: 'SODIMM',
  14: 'SRIMM',
  15: 'FB-DIMM',
  16: 'die',
  17: 'CAMM',
};
// DSP0134, 7.17.3.
const corrections: Record<number, string> = { 3: 'none', 4: 'parity', 5: 'single-bit', 6: 'multi-bit', 7: 'crc' };
const systemMemory = 3;

/** Slots, capacity and modules of the main memory, from SMBIOS types 16 and 17. Empty slots are only counted. */
export function dimmsOf({
  structures,
}: Smbios): Pick<Memory, 'slots' | 'empty_slots' | 'max_bytes' | 'error_correction' | 'dimms'> {
  const arrays = structures.filter(({ type }) => type === 16);
  const main = arrays.filter((array) => numberAt(array, 0x05, 1) === systemMemory);
  const others = new Set(arrays.filter((array) => !main.includes(array)).map(({ handle }) => handle));
  const slots = structures.filter((each) => each.type === 17 && !others.has(numberAt(each, 0x04, 2) ?? -1));
  const modules = slots.map((slot) => ({ keys: keysOf(slot), value: moduleIn(slot) }));
  const capacity = main.reduce((sum, array) => sum + capacityOf(array), 0);
  return {
    slots: slots.length || undefined,
    empty_slots: slots.length === 0 ? undefined : slots.filter((slot) => numberAt(slot, 0x0c, 2) === 0).length,
    max_bytes: capacity || undefined,
    error_correction: main.map((array) => corrections[numberAt(array, 0x06, 1) ?? 0]).find(Boolean),
    dimms: keyed(modules.flatMap(({ keys, value }) => (value === undefined ? [] : [{ keys, value }]))),
  };
}

// Some boards call every slot 'DIMM 0' and tell them apart by bank; some do not even that.
function keysOf(slot: Structure): (string | undefined)[] {
  const locator = known(stringAt(slot, 0x10));
  const bank = known(stringAt(slot, 0x11));
  const both = locator === undefined || bank === undefined ? undefined : `${bank} ${locator}`;
  return [locator, both, `handle 0x${slot.handle.toString(16).padStart(4, '0')}`];
}

function moduleIn(slot: Structure): Dimm | undefined {
  const size = sizeOf(slot);
  if (size === undefined) return undefined;
  const [total, data] = [numberAt(slot, 0x08, 2) ?? 0, numberAt(slot, 0x0a, 2) ?? 0];
  const wide = total !== 0xffff && data !== 0xffff && data > 0;
  return {
    size_bytes: size,
    type: types[numberAt(slot, 0x12, 1) ?? 0],
    form_factor: formFactors[numberAt(slot, 0x0e, 1) ?? 0],
    buffering: bufferingOf(numberAt(slot, 0x13, 2) ?? 0),
    speed_mts: speed(slot, 0x15, 0x54),
    configured_mts: speed(slot, 0x20, 0x58),
    rank: (numberAt(slot, 0x1b, 1) ?? 0) & 15 || undefined,
    ecc: wide ? total > data : undefined,
    manufacturer: known(stringAt(slot, 0x17)),
    part: known(stringAt(slot, 0x1a)),
    serial: known(stringAt(slot, 0x18)),
    asset_tag: known(stringAt(slot, 0x19)),
    bank: known(stringAt(slot, 0x11)),
  };
}

function bufferingOf(detail: number): string | undefined {
  if (detail & 0x8000) return 'load-reduced';
  if (detail & 0x2000) return 'registered';
  return detail & 0x4000 ? 'unbuffered' : undefined;
}

// 0: empty, 0xffff: unknown, 0x7fff: in the extended field (MiB); bit 15 says KiB.
function sizeOf(slot: Structure): number | undefined {
  const size = numberAt(slot, 0x0c, 2) ?? 0;
  if (size === 0 || size === 0xffff) return undefined;
  if (size === 0x7fff) return ((numberAt(slot, 0x1c, 4) ?? 0) & 0x7fffffff) * 1024 ** 2 || undefined;
  return (size & 0x7fff) * (size & 0x8000 ? 1024 : 1024 ** 2) || undefined;
}

function speed(slot: Structure, offset: number, extended: number): number | undefined {
  const value = numberAt(slot, offset, 2);
  return (value === 0xffff ? (numberAt(slot, extended, 4) ?? 0) & 0x7fffffff : value) || undefined;
}

// In KiB; 0x80000000: in the extended field, in bytes.
function capacityOf(array: Structure): number {
  const capacity = numberAt(array, 0x07, 4) ?? 0;
  if (capacity !== 0x80000000) return capacity * 1024;
  const extended = numberAt(array, 0x0f, 8) ?? 0;
  return Number.isSafeInteger(extended) ? extended : 0;
}
