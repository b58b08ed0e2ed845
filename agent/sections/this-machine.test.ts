import { execFileSync, spawnSync } from 'node:child_process';
import * as information from 'systeminformation';
import { expect, test } from 'vitest';
import { known, knownUuid } from '../parse/placeholder.ts';
import { openSystem } from '../system.ts';
import { bytesOf, parseDmidecode } from '../testing/dmidecode.ts';
import { observe as observeCpu } from './cpu.ts';
import { observe as observeMemory } from './memory.ts';
import { observe as observeNuma } from './numa.ts';
import { observe as observeOs } from './os.ts';
import { observe as observeSystem } from './system.ts';

const machine = openSystem();
const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));

test('lscpu: every field that it and we know', () => {
  const rows: { field: string; data: string }[] = JSON.parse(execFileSync('lscpu', ['-J'], { encoding: 'utf8' })).lscpu;
  const told = (field: string) => rows.find((row) => row.field === `${field}:`)?.data;
  const cpu = observeCpu(machine)!;
  const online = told('On-line CPU(s) list')!.replaceAll(' ', '');
  const sockets = number(told('Socket(s)'))!;
  const cores = sockets * number(told('Core(s) per socket'))!;
  expect({
    vendor: cpu.vendor,
    model: cpu.model,
    family: cpu.family,
    model_number: cpu.model_number,
    stepping: cpu.stepping,
    microcode: cpu.microcode,
    sockets: cpu.sockets,
    cores: cpu.cores,
    threads: cpu.threads,
    smt: cpu.smt,
  }).toEqual({
    vendor: told('Vendor ID'),
    model: told('Model name'),
    family: number(told('CPU family')),
    model_number: number(told('Model')),
    stepping: told('Stepping'),
    microcode: told('Microcode') ?? cpu.microcode,
    sockets,
    cores,
    threads: number(told('CPU(s)'))! - (cpu.offline ?? 0),
    smt: number(told('Thread(s) per core'))! > 1,
  });
  const nodes = Object.entries(observeNuma(machine) ?? {});
  expect(nodes).toHaveLength(number(told('NUMA node(s)'))!);
  const plain = (list: string | undefined) => list?.split(',').flatMap((part) => part.split('-'));
  for (const [id, { cpus }] of nodes)
    expect(plain(cpus)?.[0]).toBe(plain(told(`NUMA node${id} CPU(s)`) ?? online)?.[0]);
});

test("lscpu: every cache's size and number", () => {
  interface Cache {
    name: string;
    'one-size': string;
    'all-size': string;
  }
  const text = execFileSync('lscpu', ['-J', '-B', '-C'], { encoding: 'utf8' });
  const told = (JSON.parse(text) as { caches: Cache[] }).caches;
  const caches = Object.entries(observeCpu(machine)?.caches ?? {});
  expect(caches.map(([name, { size_bytes, total_bytes }]) => [name, size_bytes, total_bytes]).sort()).toEqual(
    told.map((cache) => [cache.name.toLowerCase(), Number(cache['one-size']), Number(cache['all-size'])]).sort(),
  );
});

const dmi = spawnSync('dmidecode', [], { encoding: 'utf8' });
const blocks = dmi.status === 0 ? parseDmidecode(dmi.stdout) : [];
if (blocks.length === 0) console.warn('this machine has no SMBIOS: the comparison with dmidecode is skipped');

test.skipIf(blocks.length === 0)(
  'dmidecode: system, board, chassis and modules, of tables that no CI machine has',
  () => {
    const field = (type: number, key: string) => {
      const value = blocks.find((block) => block.type === type)?.fields.get(key);
      return value === 'Not Specified' ? undefined : known(value);
    };
    const { board, chassis, ...system } = observeSystem(machine)!;
    expect(system).toMatchObject({
      manufacturer: field(1, 'Manufacturer'),
      product: field(1, 'Product Name'),
      version: field(1, 'Version'),
      serial: field(1, 'Serial Number'),
      uuid: knownUuid(field(1, 'UUID')),
      family: field(1, 'Family'),
      sku: field(1, 'SKU Number'),
    });
    expect(board).toMatchObject({ manufacturer: field(2, 'Manufacturer'), serial: field(2, 'Serial Number') });
    expect(chassis).toMatchObject({ manufacturer: field(3, 'Manufacturer'), serial: field(3, 'Serial Number') });
    const sizes = blocks.filter(({ type }) => type === 17).map(({ fields }) => bytesOf(fields.get('Size')));
    const dimms = Object.values(observeMemory(machine)?.dimms ?? {});
    expect(dimms.map(({ size_bytes }) => size_bytes).sort()).toEqual(sizes.filter((size) => size > 0).sort());
  },
);

test('systeminformation: what it does not invent', async () => {
  const [cpu, memory, os, system] = await Promise.all([
    information.cpu(),
    information.mem(),
    information.osInfo(),
    information.system(),
  ]);
  expect(observeCpu(machine)).toMatchObject({
    sockets: cpu.processors,
    cores: cpu.physicalCores,
    threads: cpu.cores,
    family: Number(cpu.family),
    model_number: Number(cpu.model),
    stepping: cpu.stepping,
  });
  for (const [name, size] of Object.entries(cpu.cache))
    if (size > 0) expect([name, observeCpu(machine)?.caches?.[name]?.total_bytes]).toEqual([name, size]);
  expect(observeMemory(machine)?.total_bytes).toBe(memory.total);
  expect(observeOs(machine)).toMatchObject({ version: os.release, codename: os.codename, kernel: os.kernel });
  const { manufacturer, serial, uuid } = observeSystem(machine) ?? {};
  expect({ manufacturer, serial, uuid }).toEqual({
    manufacturer: known(system.manufacturer),
    serial: known(system.serial),
    uuid: knownUuid(system.uuid),
  });
});
