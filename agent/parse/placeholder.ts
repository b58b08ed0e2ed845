// What vendors write where they have nothing to say, seen in dmidecode outputs of some hundred server models.
// Compared without case, outer blanks and closing dots.
const phrases = new Set([
  '0',
  '01234567',
  '012345678',
  '0123456789',
  '1234567',
  '12345678',
  '123456789',
  '1234567890',
  '123456789012345678',
  '9876543210',
  '<bad index>',
  'chassis manufacture',
  'chassis version',
  'default',
  'default string',
  'empty',
  'fill by oem',
  'invalid',
  'n/a',
  'na',
  'no asset information',
  'no dimm',
  'no module installed',
  'none',
  'not applicable',
  'not available',
  'not present',
  'not settable',
  'not specified',
  'null',
  'o.e.m',
  'oem',
  'serial',
  'sku',
  'system product name',
  'system version',
  'tbd',
  'undefined',
  'unknow',
  'unknown',
  'unspecified',
  'xxxxxxxx',
]);

const patterns = [
  // One symbol repeated, in groups or not: 00000000, FFFF-FFFF, ........
  /^([0f.x*?_-])\1+$/i,
  /^[0-]+$/,
  /^0x(0+|f+)$/i,
  // A field's own name: 'System Serial Number', 'A1_SerNum0', 'DIMM_P0_AssetTag', 'Manufacturer00'.
  /^[\w -]*?(sku[ _]?num(ber)?|ser(ial)?[ _]?num(ber)?|part[ _]?num(ber)?|asset[ _]?tag(num)?|manufacturer)[ _]?\d*( ?\(.*)?$/i,
  /^to be filled/i,
  /^sku=notprovided/i,
];

/**
 * A value from hardware or firmware as a fact: trimmed, cut at 256 characters, without control characters and bytes that
 * were not UTF-8; or undefined when it is one of the placeholders that vendors ship ('To Be Filled By O.E.M.',
 * 'Default string', '0123456789', all zeros) or has no letter or digit.
 */
export function known(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = value
    .replace(/[\u0000-\u001f\u007f-\u009f\ufffd]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, 256)
    .trim();
  const bare = text.toLowerCase().replace(/[. ]+$/, '');
  if (!/[\p{L}\p{N}]/u.test(bare) || phrases.has(bare) || patterns.some((pattern) => pattern.test(text)))
    return undefined;
  return text;
}

/**
 * A SMBIOS UUID in lower case, or undefined when it identifies nothing: all 0, all F, or the counting UUID
 * (03000200-0400-0500-0006-000700080009) that one mainboard maker ships on every board.
 */
export function knownUuid(value: string | undefined): string | undefined {
  const uuid = value?.trim().toLowerCase();
  if (uuid === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined;
  if (/^([0-9a-f])\1*$/.test(uuid.replaceAll('-', ''))) return undefined;
  return sharedUuids.has(uuid) ? undefined : uuid;
}

const sharedUuids = new Set([
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '01020304-0506-0708-090a-0b0c0d0e0f10',
  '04030201-0605-0807-090a-0b0c0d0e0f10',
  '12345678-1234-1234-1234-123456789abc',
  '12345678-1234-5678-90ab-cddeefaabbcc',
]);
