import { byte, dword, encode, word } from './smbios.ts';

/** A structure of dmidecode's output: its type and its lines of `Key: value`. */
interface Block {
  type: number;
  fields: Map<string, string>;
}

/** Splits dmidecode's output into structures. */
export function parseDmidecode(output: string): Block[] {
  return output.split(/^Handle /m).flatMap((block) => {
    const type = /DMI type (\d+)/.exec(block)?.[1];
    const lines = [...block.matchAll(/^\t([^\t:]+):[ ]?(.*)$/gm)];
    return type === undefined
      ? []
      : [{ type: Number(type), fields: new Map(lines.map(([, key = '', text = '']) => [key, text])) }];
  });
}

/**
 * The binary structures of a real server again, from what dmidecode printed of it: system, board, chassis and memory
 * modules, with the vendor's own strings.
 */
export function encodeDmidecode(blocks: Block[]): Buffer[] {
  return blocks.flatMap(({ type, fields }, index) => {
    const text = (key: string) => (fields.get(key) === 'Not Specified' ? byte(0) : (fields.get(key) ?? byte(0)));
    const maker = { 4: text('Manufacturer'), 5: text('Product Name'), 6: text('Version'), 7: text('Serial Number') };
    if (type === 1) {
      const uuid = Buffer.from((fields.get('UUID') ?? '').replaceAll('-', ''), 'hex');
      if (uuid.length === 16) uuid.subarray(0, 4).swap32();
      if (uuid.length === 16) uuid.subarray(4, 8).swap16();
      return [encode(1, index, 0x1b, { ...maker, 8: uuid, 25: text('SKU Number'), 26: text('Family') })];
    }
    if (type === 2) return [encode(2, index, 0x0f, { ...maker, 8: text('Asset Tag') })];
    if (type === 3) return [encode(3, index, 0x15, { ...maker, 5: byte(23), 8: text('Asset Tag') })];
    if (type !== 17) return [];
    return [
      encode(17, index, 0x28, {
        12: word(bytesOf(fields.get('Size')) === 0 ? 0 : 0x7fff),
        16: text('Locator'),
        17: text('Bank Locator'),
        21: word(Number.parseInt(fields.get('Speed') ?? '', 10) || 0),
        23: text('Manufacturer'),
        24: text('Serial Number'),
        25: text('Asset Tag'),
        26: text('Part Number'),
        28: dword(bytesOf(fields.get('Size')) / 1024 ** 2),
      }),
    ];
  });
}

/** A size as dmidecode prints it ('16 GB', '8192 MB'; anything else is no module) in bytes. */
export function bytesOf(size: string | undefined): number {
  const match = /^(\d+) ([MG])B$/.exec(size ?? '');
  return match === null ? 0 : Number(match[1]) * (match[2] === 'G' ? 1024 ** 3 : 1024 ** 2);
}
