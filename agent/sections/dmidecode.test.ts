import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { observeEach } from '../facts.ts';
import { known, knownUuid } from '../parse/placeholder.ts';
import { openSystem } from '../system.ts';
import { type Block, bytesOf, encodeDmidecode, parseDmidecode } from '../testing/dmidecode.ts';
import { fixturePath, testCaptured } from '../testing/fixture.ts';
import { smbiosTree } from '../testing/smbios.ts';
import { makeTree } from '../testing/tree.ts';
import { observe as observeBmc } from './bmc.ts';
import { observe as observeMemory } from './memory.ts';
import { observe as observeSystem } from './system.ts';

/** Every output: file by file, and those of the archive. */
function outputs(): [name: string, output: string][] {
  const folder = fixturePath('dmidecode');
  const archive = `${folder}/linuxhw-60-servers.tar.xz`;
  const many = execFileSync('tar', ['-xOJf', archive], { maxBuffer: 64 << 20, encoding: 'utf8' });
  const names = execFileSync('tar', ['-tJf', archive], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => /[^/]$/.test(name));
  const single = readdirSync(folder).filter((name) => !name.endsWith('.tar.xz'));
  const parts = many.split(/^(?=# dmidecode)/m);
  expect(parts).toHaveLength(names.length);
  return [
    ...single.map((name): [string, string] => [name, readFileSync(`${folder}/${name}`, 'utf8')]),
    ...parts.map((output, index): [string, string] => [names[index]!, output]),
  ];
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const first = (blocks: Block[], type: number) => blocks.find((block) => block.type === type)?.fields ?? new Map();
const text = (fields: Map<string, string>, key: string) => {
  const value = fields.get(key);
  return value === 'Not Specified' ? undefined : known(value);
};
const number = (value: string | undefined) => Number.parseInt(value ?? '', 10) || undefined;

/** What the text says, field by field; placeholders are absent. */
function systemIn(blocks: Block[]) {
  const [system, board, chassis] = [first(blocks, 1), first(blocks, 2), first(blocks, 3)];
  const type = chassis.get('Type')?.toLowerCase();
  return {
    manufacturer: text(system, 'Manufacturer'),
    product: text(system, 'Product Name'),
    version: text(system, 'Version'),
    serial: text(system, 'Serial Number'),
    uuid: knownUuid(system.get('UUID')),
    sku: text(system, 'SKU Number'),
    family: text(system, 'Family'),
    asset_tag: text(chassis, 'Asset Tag'),
    board: {
      manufacturer: text(board, 'Manufacturer'),
      product: text(board, 'Product Name'),
      version: text(board, 'Version'),
      serial: text(board, 'Serial Number'),
      asset_tag: text(board, 'Asset Tag'),
    },
    chassis: {
      manufacturer: text(chassis, 'Manufacturer'),
      type: type === 'other' ? undefined : type?.replace(/^multi-system$/, 'multi-system chassis'),
      version: text(chassis, 'Version'),
      serial: text(chassis, 'Serial Number'),
      sku: text(chassis, 'SKU Number'),
    },
  };
}

function dimmIn(fields: Map<string, string>) {
  const [total, data] = [number(fields.get('Total Width')), number(fields.get('Data Width'))];
  const detail = fields.get('Type Detail') ?? '';
  const type = fields.get('Type');
  return {
    size_bytes: bytesOf(fields.get('Size')),
    type: /^(Other|Unknown|<.*)$/.test(type ?? '') ? undefined : type,
    form_factor: text(fields, 'Form Factor'),
    buffering: /LRDIMM/.test(detail)
      ? 'load-reduced'
      : /Registered/.test(detail)
        ? 'registered'
        : /Unbuffered/.test(detail)
          ? 'unbuffered'
          : undefined,
    speed_mts: number(fields.get('Speed')),
    configured_mts: number(fields.get('Configured Memory Speed') ?? fields.get('Configured Clock Speed')),
    rank: number(fields.get('Rank')),
    ecc: total === undefined || data === undefined ? undefined : total > data,
    manufacturer: text(fields, 'Manufacturer'),
    part: text(fields, 'Part Number'),
    serial: text(fields, 'Serial Number'),
    asset_tag: text(fields, 'Asset Tag'),
    bank: text(fields, 'Bank Locator'),
  };
}

testCaptured('73 servers: system, board, chassis and every module are as dmidecode prints them, field by field', () => {
  const all = outputs();
  expect(all).toHaveLength(73);
  let modules = 0;
  for (const [name, output] of all) {
    const blocks = parseDmidecode(output);
    const machine = openSystem(makeTree(smbiosTree([3, 0], encodeDmidecode(blocks))));
    expect(plain(observeSystem(machine)), name).toEqual(plain(systemIn(blocks)));

    const memory = observeMemory(machine);
    const slots = blocks.filter(({ type }) => type === 17);
    const full = slots.filter(({ fields }) => bytesOf(fields.get('Size')) > 0).map(({ fields }) => dimmIn(fields));
    const inOrder = (dimms: object[]) => dimms.map((dimm) => JSON.stringify(Object.entries(dimm).sort())).sort();
    expect(inOrder(plain(Object.values(memory?.dimms ?? {}))), name).toEqual(inOrder(plain(full)));
    expect([memory?.slots, memory?.empty_slots], name).toEqual([slots.length, slots.length - full.length]);
    const arrays = blocks.filter(({ type }) => type === 16).map(({ fields }) => fields);
    const kind = { None: 'none', 'Single-bit ECC': 'single-bit', 'Multi-bit ECC': 'multi-bit' };
    expect(memory?.error_correction, name).toBe(kind[arrays[0]?.get('Error Correction Type') as 'None']);
    modules += full.length;

    const bmc = blocks.find(({ type }) => type === 38)?.fields;
    const version = bmc?.get('Specification Version');
    const told = observeEach({ bmc: observeBmc }, machine).sections;
    expect(told, name).toEqual(bmc ? { bmc: { interface: 'kcs', ipmi_version: version } } : {});
  }
  expect(modules).toBeGreaterThan(500);
});
