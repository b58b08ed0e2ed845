import type { Firmware } from '../../shared/sections/firmware.ts';
import { known } from '../parse/placeholder.ts';

type Entry = NonNullable<Firmware['boot_entries']>[string];

/** Entries of a boot order that are reported; firmware has some dozen. */
const most = 64;

/** Reads a variable's data, without the attributes that its file begins with. */
export type ReadVariable = (name: string) => Buffer | undefined;

/**
 * The firmware's boot order and what its entries are (UEFI 2.10, 3.1.3 and 3.3: BootOrder, Boot####). One of the order that is
 * not there, or not understood, stands in the order only.
 */
export function bootOrder(read: ReadVariable): Pick<Firmware, 'boot_order' | 'boot_entries' | 'boot_order_dropped'> {
  const order = read('BootOrder');
  if (order === undefined || order.length < 2) return {};
  const count = order.length >> 1;
  const number = (index: number) =>
    order
      .readUInt16LE(index * 2)
      .toString(16)
      .toUpperCase()
      .padStart(4, '0');
  const ids = Array.from({ length: Math.min(count, most) }, (_, index) => number(index));
  const entries = ids.flatMap((id): [string, Entry][] => {
    const entry = entryIn(read(`Boot${id}`));
    return entry === undefined ? [] : [[id, entry]];
  });
  return {
    boot_order: ids,
    boot_entries: entries.length === 0 ? undefined : Object.fromEntries(entries),
    boot_order_dropped: count > most ? count - most : undefined,
  };
}

// EFI_LOAD_OPTION: attributes, length of the path, description in UCS-2 with a NUL, path.
function entryIn(option: Buffer | undefined): Entry | undefined {
  if (option === undefined || option.length < 8) return undefined;
  let end = 6;
  while (end + 2 <= option.length && option.readUInt16LE(end) !== 0) end += 2;
  if (end + 2 > option.length) return undefined;
  const path = option.subarray(end + 2, end + 2 + option.readUInt16LE(4));
  return {
    label: known(option.toString('utf16le', 6, end)),
    active: (option.readUInt32LE() & 1) !== 0,
    ...pathIn(path),
  };
}

/** What matters of a device path (UEFI 2.10, 10.3): nodes of a type, a subtype, a length and data. */
function pathIn(path: Buffer): Pick<Entry, 'from' | 'mac' | 'file' | 'uri'> {
  const found: Pick<Entry, 'from' | 'mac' | 'file' | 'uri'> = {};
  for (let at = 0; at + 4 <= path.length; ) {
    const [kind, length] = [path.readUInt16BE(at), path.readUInt16LE(at + 2)];
    if (length < 4 || at + length > path.length) break;
    const data = path.subarray(at + 4, at + length);
    // Messaging: MAC address, IPv4, IPv6, URI, USB; media: hard drive, CD-ROM, file; BIOS boot.
    if (kind === 0x030b && data.length >= 6) {
      found.from = 'network';
      found.mac = [...data.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    } else if (kind === 0x0318) found.uri = known(data.toString('utf8'));
    else if (kind === 0x0305) found.from ??= 'usb';
    else if (kind === 0x0401) found.from ??= 'disk';
    else if (kind === 0x0402) found.from ??= 'cd';
    else if (kind >> 8 === 5) found.from ??= 'bios';
    else if (kind === 0x0404) found.file = known(data.toString('utf16le'));
    at += length;
  }
  return found;
}
