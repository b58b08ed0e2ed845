import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { observe as firmware } from '../sections/firmware.ts';
import { observe as memory } from '../sections/memory.ts';
import { observe as system } from '../sections/system.ts';
import { openSystem } from '../system.ts';
import { byte, dword, encode, encodeTable, entryPoint, qword, smbiosTree, word } from '../testing/smbios.ts';
import { makeTree } from '../testing/tree.ts';
import { parseTable, readSmbios, stringAt, uuidAt, versionOf } from './table.ts';

const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

// A two-slot server with one module, as its board would write it.
const server = [
  encode(0, 0x0000, 0x1a, {
    4: 'Acme BIOS Works',
    5: 'ACM-2.7.1',
    8: '03/09/2024',
    10: qword(0x08),
    18: Buffer.from([0x03, 0x0d]),
    20: Buffer.from([2, 7, 255, 255]),
  }),
  encode(1, 0x0100, 0x1b, {
    4: 'Acme',
    5: 'Rack 2000',
    6: 'To be filled by O.E.M.',
    7: 'SN-42',
    8: uuid,
    24: byte(6),
    25: 'R2000-X',
    26: 'Rack',
  }),
  encode(2, 0x0200, 0x0f, { 4: 'Acme Boards', 5: 'B-7', 6: 'A01', 7: 'BSN-1', 8: 'Default string' }),
  encode(3, 0x0300, 0x16, { 4: 'Acme', 5: byte(0x80 | 23), 7: 'CSN-9', 8: 'ASSET-3' }),
  encode(16, 0x1000, 0x17, {
    4: Buffer.from([3, 3, 6]),
    7: dword(0x80000000),
    11: word(0xfffe),
    13: word(2),
    15: qword(2 * 1024 ** 4),
  }),
  encode(17, 0x1100, 0x5c, {
    4: word(0x1000),
    8: word(72),
    10: word(64),
    12: word(0x7fff),
    14: byte(9),
    16: 'A1',
    17: 'NODE 1',
    18: byte(34),
    19: word(0x2080),
    21: word(0xffff),
    23: 'Hynix',
    24: 'D1M-0001',
    25: '00171230',
    26: 'HMCG94AEBRA102N    ',
    27: byte(2),
    28: dword(65536),
    32: word(4400),
    84: dword(4800),
  }),
  encode(17, 0x1101, 0x28, { 4: word(0x1000), 12: word(0), 16: 'A2', 23: 'NO DIMM', 24: 'NO DIMM' }),
];

test.each<[number, number]>([
  [2, 8],
  [3, 5],
])('a server with SMBIOS %i.%i', (major, minor) => {
  const machine = openSystem(makeTree(smbiosTree([major, minor], server)));
  expect(system(machine)).toMatchObject({
    manufacturer: 'Acme',
    product: 'Rack 2000',
    version: undefined,
    serial: 'SN-42',
    uuid: '33221100-5544-7766-8899-aabbccddeeff',
    sku: 'R2000-X',
    family: 'Rack',
    asset_tag: 'ASSET-3',
    virtual: undefined,
    board: { manufacturer: 'Acme Boards', product: 'B-7', version: 'A01', serial: 'BSN-1', asset_tag: undefined },
    chassis: { manufacturer: 'Acme', type: 'rack mount chassis', serial: 'CSN-9' },
  });
  expect(firmware(machine)).toMatchObject({
    mode: 'bios',
    vendor: 'Acme BIOS Works',
    version: 'ACM-2.7.1',
    date: '2024-03-09',
    release: '2.7',
    controller_release: undefined,
    smbios_version: `${major}.${minor}`,
  });
  expect(memory(machine)).toMatchObject({
    slots: 2,
    max_bytes: 2 * 1024 ** 4,
    error_correction: 'multi-bit',
    dimms: {
      A1: {
        size_bytes: 64 * 1024 ** 3,
        type: 'DDR5',
        form_factor: 'DIMM',
        buffering: 'registered',
        speed_mts: 4800,
        configured_mts: 4400,
        rank: 2,
        ecc: true,
        manufacturer: 'Hynix',
        part: 'HMCG94AEBRA102N',
        serial: 'D1M-0001',
        asset_tag: '00171230',
        bank: 'NODE 1',
      },
    },
  });
});

test('the byte order of a UUID is the one its version says; the kernel has the last word', () => {
  const structures = [encode(1, 1, 0x19, { 8: uuid })];
  const of = (version: [number, number], extra = {}) =>
    system(openSystem(makeTree({ ...smbiosTree(version, structures), ...extra })))?.uuid;
  expect(of([2, 5])).toBe('00112233-4455-6677-8899-aabbccddeeff');
  expect(of([2, 6])).toBe('33221100-5544-7766-8899-aabbccddeeff');
  expect(of([3, 0])).toBe('33221100-5544-7766-8899-aabbccddeeff');
  const told = { '/sys/class/dmi/id/product_uuid': '4C4C4544-0044-4A10-8052-B9C04F4C3432\n' };
  expect(of([3, 0], told)).toBe('4c4c4544-0044-4a10-8052-b9c04f4c3432');
});

test('entry points of every kind', () => {
  const none = Buffer.alloc(0);
  expect(versionOf(entryPoint([3, 2], none, 0))).toEqual([3, 2]);
  expect(versionOf(entryPoint([2, 8], none, 0))).toEqual([2, 8]);
  expect(versionOf(entryPoint([2, 8], none, 0).subarray(16))).toEqual([2, 8]);
  // Versions that nobody published, as the kernel and dmidecode read them; others with the same end are what they say.
  const read = (...told: [number, number][]) => told.map((version) => versionOf(entryPoint(version, none, 0)));
  expect(read([2, 31], [2, 33], [2, 51])).toEqual([
    [2, 3],
    [2, 3],
    [2, 6],
  ]);
  expect(read([3, 31], [3, 51])).toEqual([
    [3, 31],
    [3, 51],
  ]);
  expect(versionOf(Buffer.from('nonsense'))).toBeUndefined();
});

test('an entry point that is cut short, or alone, or missing, is no table', () => {
  const none = Buffer.alloc(0);
  const [three, two] = [entryPoint([3, 2], none, 0), entryPoint([2, 8], none, 0)];
  for (const [entry, least] of [
    [three, 9],
    [two, 8],
    [two.subarray(16), 15],
  ] as const) {
    for (let length = 0; length < least; length++) expect(versionOf(entry.subarray(0, length))).toBeUndefined();
    expect(versionOf(entry.subarray(0, least))).toBeDefined();
  }
  const whole = smbiosTree([3, 2], server);
  const of = (tree: typeof whole) => readSmbios(openSystem(makeTree(tree)))?.structures.length;
  expect(of(whole)).toBe(server.length);
  for (const name of Object.keys(whole)) expect(of({ [name]: whole[name]! })).toBeUndefined();
  expect(of({ ...whole, '/sys/firmware/dmi/tables/smbios_entry_point': '_SM3_' })).toBeUndefined();
});

test('of a table without end 64 K structures are read', () => {
  expect(parseTable(Buffer.concat(Array.from({ length: 70_000 }, () => encode(126, 1, 4, {}))))).toHaveLength(65_536);
});

test('a damaged table gives what stands before the damage', () => {
  const good = encode(1, 1, 0x19, { 4: 'Acme' });
  const names = (table: Buffer) => parseTable(table).map((each) => stringAt(each, 4));
  expect(names(Buffer.concat([good, Buffer.from([17, 0, 0, 0])]))).toEqual(['Acme']);
  expect(names(Buffer.concat([good, Buffer.from([17, 200, 0, 0, 1])]))).toEqual(['Acme']);
  expect(names(good.subarray(0, good.length - 3))).toEqual(['Acm']);
  expect(names(Buffer.alloc(0))).toEqual([]);
  expect(names(encode(1, 1, 5, { 4: byte(7) }))).toEqual([undefined]);
  for (let length = 0; length < 120; length++) parseTable(encodeTable(server).subarray(0, length));
});

test('a UUID beyond the end of an old, short structure is absent', () => {
  const [structure] = parseTable(encode(1, 1, 8, {}));
  expect(structure && uuidAt(structure, 8, [2, 0])).toBeUndefined();
});

const noDmidecode = spawnSync('dmidecode', ['--version']).error !== undefined;
if (noDmidecode) console.warn('dmidecode is not installed: the cross-check with it is skipped');

test.skipIf(noDmidecode)('dmidecode reads the same from the same table', () => {
  const table = encodeTable(server);
  const dump = Buffer.concat([entryPoint([3, 5], table, 0), Buffer.alloc(8), table]);
  const root = makeTree({ '/dump': dump });
  const output = execFileSync('dmidecode', ['--from-dump', `${root}/dump`], { encoding: 'utf8' });
  const machine = openSystem(makeTree(smbiosTree([3, 5], server)));
  expect(output).toContain(`UUID: ${system(machine)?.uuid}`);
  expect(output).toContain('SMBIOS 3.5.0 present');
  expect(output).toContain('BIOS Revision: 2.7');
  expect(output).toContain('Maximum Capacity: 2 TB');
  expect(output).toContain('Error Correction Type: Multi-bit ECC');
  expect(output).toMatch(
    /Size: 64 GB\n\tForm Factor: DIMM\n\tSet: None\n\tLocator: A1\n\tBank Locator: NODE 1\n\tType: DDR5/,
  );
  expect(output).toMatch(/Type Detail: Synchronous Registered \(Buffered\)\n\tSpeed: 4800 MT\/s/);
  expect(output).toMatch(/Configured Memory Speed: 4400 MT\/s/);
  expect(output).toContain('Type: Rack Mount Chassis');
  const handles = output.match(/^Handle (?!.*type 127)/gm) ?? [];
  expect(readSmbios(machine)?.structures).toHaveLength(handles.length);
});
