import type { System } from '../system.ts';

/** A structure of the SMBIOS table (DSP0134, 6.1): a header, a formatted area, and strings. */
export interface Structure {
  type: number;
  handle: number;
  /** The formatted area, header included; offsets are those of the specification. */
  area: Buffer;
  strings: string[];
}

/** The table of a machine. */
export interface Smbios {
  /** Version of the specification: [3, 3]. */
  version: [major: number, minor: number];
  structures: Structure[];
}

/**
 * Reads the machine's SMBIOS table, of a 2.x or 3.x entry point. Undefined on a machine without one, or where this
 * process may not read it (it is root's).
 */
export function readSmbios(system: System): Smbios | undefined {
  const entry = system.readBytes('/sys/firmware/dmi/tables/smbios_entry_point');
  const table = system.readBytes('/sys/firmware/dmi/tables/DMI');
  if (entry === undefined || table === undefined) return undefined;
  const version = versionOf(entry);
  return version && { version, structures: parseTable(table) };
}

/** Version in an entry point: '_SM3_' (DSP0134, 5.2.2), '_SM_' (5.2.1) or the old bare '_DMI_' in BCD. */
export function versionOf(entry: Buffer): [number, number] | undefined {
  const anchor = entry.toString('latin1', 0, 5);
  if (anchor === '_SM3_' && entry.length >= 9) return [entry.readUInt8(7), entry.readUInt8(8)];
  if (anchor === '_DMI_' && entry.length >= 15) return [entry.readUInt8(14) >> 4, entry.readUInt8(14) & 15];
  if (!anchor.startsWith('_SM_') || entry.length < 8) return undefined;
  const [major, minor] = [entry.readUInt8(6), entry.readUInt8(7)];
  // Known bad firmware writes decimal or a wrong number; as dmidecode and the kernel read them.
  if (major === 2 && (minor === 31 || minor === 33)) return [2, 3];
  if (major === 2 && minor === 51) return [2, 6];
  return [major, minor];
}

/**
 * Splits a table into structures, up to its end marker (type 127), the first structure that does not fit, or 64 K
 * structures. Firmware's lengths are never trusted beyond the table.
 */
export function parseTable(table: Buffer): Structure[] {
  const structures: Structure[] = [];
  let at = 0;
  while (at + 4 <= table.length && structures.length < 0x10000) {
    const type = table.readUInt8(at);
    const length = table.readUInt8(at + 1);
    if (length < 4 || at + length > table.length || type === 127) break;
    const area = table.subarray(at, at + length);
    const strings: string[] = [];
    let from = at + length;
    // Strings end with a NUL each and the set with one more; a set without strings is two NULs.
    if (table[from] === 0) from += 1;
    else {
      while (from < table.length && table[from] !== 0) {
        const to = table.indexOf(0, from);
        const end = to === -1 ? table.length : to;
        // A byte numbers them.
        if (strings.length < 255) strings.push(table.toString('utf8', from, end));
        from = end + 1;
      }
    }
    structures.push({ type, handle: area.readUInt16LE(2), area, strings });
    at = from + 1;
  }
  return structures;
}

/** A number of 1, 2, 4 or 8 bytes in the formatted area; undefined where an older structure ends before it. */
export function numberAt({ area }: Structure, offset: number, size: 1 | 2 | 4 | 8): number | undefined {
  if (offset + size > area.length) return undefined;
  return size === 8 ? Number(area.readBigUInt64LE(offset)) : area.readUIntLE(offset, size);
}

/** The string that the byte at `offset` numbers. */
export function stringAt(structure: Structure, offset: number): string | undefined {
  const index = numberAt(structure, offset, 1);
  return index === undefined || index === 0 ? undefined : structure.strings[index - 1];
}

/**
 * The UUID at `offset`. From 2.6 on its first three fields are little-endian (DSP0134, 7.2.1); before, most firmware
 * wrote network order. The kernel's product_uuid decides in the same way.
 */
export function uuidAt({ area }: Structure, offset: number, [major, minor]: Smbios['version']): string | undefined {
  if (offset + 16 > area.length) return undefined;
  const bytes = Buffer.from(area.subarray(offset, offset + 16));
  if (major > 2 || (major === 2 && minor >= 6)) {
    bytes.subarray(0, 4).swap32();
    bytes.subarray(4, 8).swap16();
  }
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
