import type { Tree } from './tree.ts';

/** A field of a structure: a text becomes a string of it, a number is little-endian, bytes are as they are. */
type Field = string | Buffer | { size: 1 | 2 | 4 | 8; value: number };

export const byte = (value: number): Field => ({ size: 1, value });
export const word = (value: number): Field => ({ size: 2, value });
export const dword = (value: number): Field => ({ size: 4, value });
export const qword = (value: number): Field => ({ size: 8, value });

/** Encodes a structure whose formatted area is `length` bytes; `fields` are by offset. */
export function encode(type: number, handle: number, length: number, fields: Record<number, Field>): Buffer {
  const area = Buffer.alloc(length);
  area.writeUInt8(type, 0);
  area.writeUInt8(length, 1);
  area.writeUInt16LE(handle, 2);
  const strings: string[] = [];
  for (const [key, field] of Object.entries(fields)) {
    const offset = Number(key);
    if (typeof field === 'string') area.writeUInt8(strings.push(field), offset);
    else if (Buffer.isBuffer(field)) field.copy(area, offset);
    else if (field.size === 8) area.writeBigUInt64LE(BigInt(field.value), offset);
    else area.writeUIntLE(field.value, offset, field.size);
  }
  const texts = strings.length === 0 ? '\0' : strings.map((text) => `${text}\0`).join('');
  return Buffer.concat([area, Buffer.from(`${texts}\0`)]);
}

/** A table of structures with its end marker. */
export function encodeTable(structures: Buffer[]): Buffer {
  return Buffer.concat([...structures, encode(127, 0xfeff, 4, {})]);
}

/** An entry point for a table that lies at 0x20, as in `dmidecode --dump-bin`: 3.x, or the older form for 2.x. */
export function entryPoint([major, minor]: [number, number], table: Buffer, structures: number): Buffer {
  if (major >= 3) {
    const entry = Buffer.alloc(24);
    entry.write('_SM3_');
    entry.set([24, major, minor, 0, 1], 6);
    entry.writeUInt32LE(table.length, 12);
    entry.writeUInt32LE(0x20, 16);
    return checked(entry, 5);
  }
  const entry = Buffer.alloc(31);
  entry.write('_SM_');
  entry.set([31, major, minor], 5);
  entry.write('_DMI_', 16);
  entry.writeUInt16LE(table.length, 22);
  entry.writeUInt32LE(0x20, 24);
  entry.writeUInt16LE(structures, 28);
  entry.writeUInt8((major << 4) | minor, 30);
  checked(entry.subarray(16), 5);
  return checked(entry, 4);
}

/** The tree of a machine whose firmware has these structures. */
export function smbiosTree(version: [number, number], structures: Buffer[]): Tree {
  const table = encodeTable(structures);
  return {
    '/sys/firmware/dmi/tables/DMI': table,
    '/sys/firmware/dmi/tables/smbios_entry_point': entryPoint(version, table, structures.length + 1),
  };
}

function checked(bytes: Buffer, at: number): Buffer {
  bytes[at] = 0;
  bytes[at] = 256 - (bytes.reduce((sum, each) => sum + each, 0) % 256);
  return bytes;
}
