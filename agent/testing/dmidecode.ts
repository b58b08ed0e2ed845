import { byte, dword, encode, word } from './smbios.ts';

/** A structure of dmidecode's output: its type, handle and lines of `Key: value`. */
export interface Block {
  type: number;
  handle: number;
  fields: Map<string, string>;
}

/** Splits dmidecode's output into structures. */
export function parseDmidecode(output: string): Block[] {
  return output.split(/^Handle (?=0x)/m).flatMap((block) => {
    const [, handle, type] = /^(0x[0-9A-F]+), DMI type (\d+)/.exec(block) ?? [];
    const lines = [...block.matchAll(/^\t([^\t:]+):[ ]?(.*)$/gm)];
    return type === undefined
      ? []
      : [
          {
            type: Number(type),
            handle: Number(handle),
            fields: new Map(lines.map(([, key = '', text = '']) => [key, text])),
          },
        ];
  });
}

// DSP0134: 7.4.1, 7.17.3, 7.18.1, 7.18.2 and 7.18.3, as dmidecode words them.
const chassisTypes: Record<string, number> = {
  Other: 1,
  Desktop: 3,
  'Rack Mount Chassis': 23,
  'Multi-system': 25,
  Blade: 28,
};
const corrections: Record<string, number> = { None: 3, 'Single-bit ECC': 5, 'Multi-bit ECC': 6 };
const formFactors: Record<string, number> = { DIMM: 9 };
const memoryTypes: Record<string, number> = { Other: 1, Unknown: 2, RAM: 7, DDR3: 24, DDR4: 26, DDR5: 34 };
const details: Record<string, number> = { Synchronous: 7, Registered: 13, Unbuffered: 14, LRDIMM: 15 };

/**
 * The binary structures of a real server again, from what dmidecode printed of it: system, board, chassis, memory arrays and
 * modules, controller, with the vendor's own strings.
 */
export function encodeDmidecode(blocks: Block[]): Buffer[] {
  return blocks.flatMap(({ type, handle, fields }) => {
    const text = (key: string) => (fields.get(key) === 'Not Specified' ? byte(0) : fields.get(key) || byte(0));
    const number = (key: string) => Number.parseInt(fields.get(key) ?? '', 10);
    const maker = { 4: text('Manufacturer'), 5: text('Product Name'), 6: text('Version'), 7: text('Serial Number') };
    if (type === 1) {
      const uuid = Buffer.from((fields.get('UUID') ?? '').replaceAll('-', ''), 'hex');
      if (uuid.length === 16) uuid.subarray(0, 4).swap32();
      if (uuid.length === 16) uuid.subarray(4, 8).swap16();
      return [encode(1, handle, 0x1b, { ...maker, 8: uuid, 25: text('SKU Number'), 26: text('Family') })];
    }
    if (type === 2) return [encode(2, handle, 0x0f, { ...maker, 8: text('Asset Tag') })];
    if (type === 3) {
      const kind = chassisTypes[fields.get('Type') ?? ''] ?? 2;
      const lock = fields.get('Lock') === 'Present' ? 0x80 : 0;
      const strings = { 4: maker[4], 6: maker[6], 7: maker[7], 8: text('Asset Tag'), 21: text('SKU Number') };
      return [encode(3, handle, 0x16, { ...strings, 5: byte(kind | lock) })];
    }
    if (type === 16) {
      const correction = corrections[fields.get('Error Correction Type') ?? ''] ?? 2;
      const capacity = Math.min(bytesOf(fields.get('Maximum Capacity')) / 1024, 0x7fffffff);
      const use = fields.get('Use') === 'System Memory' ? 3 : 5;
      const devices = word(number('Number Of Devices'));
      return [encode(16, handle, 0x0f, { 5: byte(use), 6: byte(correction), 7: dword(capacity), 13: devices })];
    }
    if (type === 38) {
      const [major, minor] = (fields.get('Specification Version') ?? '').split('.').map(Number);
      return [encode(38, handle, 0x12, { 4: byte(1), 5: byte(((major ?? 0) << 4) | (minor ?? 0)) })];
    }
    if (type !== 17) return [];
    const mts = (...keys: string[]) => word(keys.map(number).find((value) => value > 0) ?? 0);
    const width = (key: string) => word(Number.isNaN(number(key)) ? 0xffff : number(key));
    const words = (fields.get('Type Detail') ?? '').split(/[ ()]+/);
    return [
      encode(17, handle, 0x28, {
        4: word(Number(fields.get('Array Handle'))),
        8: width('Total Width'),
        10: width('Data Width'),
        12: word(bytesOf(fields.get('Size')) === 0 ? 0 : 0x7fff),
        14: byte(formFactors[fields.get('Form Factor') ?? ''] ?? 2),
        16: text('Locator'),
        17: text('Bank Locator'),
        18: byte(memoryTypes[fields.get('Type') ?? ''] ?? 2),
        19: word(words.reduce((bits, each) => bits | (details[each] === undefined ? 0 : 1 << details[each]), 0)),
        21: mts('Speed'),
        23: text('Manufacturer'),
        24: text('Serial Number'),
        25: text('Asset Tag'),
        26: text('Part Number'),
        27: byte(number('Rank') || 0),
        28: dword(bytesOf(fields.get('Size')) / 1024 ** 2),
        32: mts('Configured Memory Speed', 'Configured Clock Speed'),
      }),
    ];
  });
}

/** A size as dmidecode prints it ('16 GB', '8192 MB'; anything else is no module) in bytes. */
export function bytesOf(size: string | undefined): number {
  const match = /^(\d+) ([kMGT])B$/.exec(size ?? '');
  return match === null ? 0 : Number(match[1]) * 1024 ** ('kMGT'.indexOf(match[2] ?? '') + 1);
}
