import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openSystem } from '../system.ts';
import { fixture, testCaptured } from '../testing/fixture.ts';
import { byte, encode, smbiosTree, word } from '../testing/smbios.ts';
import { makeTree } from '../testing/tree.ts';
import { observe } from './memory.ts';

testCaptured("a real server's own binary structures are as hwloc reads them", () => {
  const tree = fixture('hwloc/32em64t-2n8c+dax+nvme+mic+dimms.tar.bz2');
  const raw = Array.from({ length: 24 }, (_, index) =>
    readFileSync(`${tree}/sys/firmware/dmi/entries/17-${index}/raw`),
  );
  const found = observe(openSystem(makeTree(smbiosTree([2, 7], raw))));
  expect(found?.slots).toBe(24);
  expect(found?.dimms?.DIMM_A1).toMatchObject({
    size_bytes: 4 * 1024 ** 3,
    type: 'DDR3',
    form_factor: 'DIMM',
    manufacturer: '00AD04B300AD',
    serial: '48AAE639',
    asset_tag: '01115021',
    part: 'HMT351R7CFR8C-PB',
    speed_mts: 1600,
  });
  expect(Object.keys(found?.dimms ?? {})).toHaveLength(8);
});

test('slots with one name are told apart by bank, or by handle; video memory is not main memory', () => {
  const array = (handle: number, use: number) => encode(16, handle, 0x0f, { 5: byte(use), 6: byte(3) });
  const slot = (handle: number, of: number, fields: Parameters<typeof encode>[3]) =>
    encode(17, handle, 0x1c, { 4: word(of), 12: word(1024), ...fields });
  const found = observe(
    openSystem(
      makeTree(
        smbiosTree(
          [2, 8],
          [
            array(0x1000, 3),
            array(0x1001, 4),
            slot(0x1100, 0x1000, { 16: 'DIMM 0', 17: 'A' }),
            slot(0x1101, 0x1000, { 16: 'DIMM 0', 17: 'B' }),
            slot(0x1102, 0x1000, {}),
            slot(0x1103, 0x1000, { 12: word(0x8000 | 512), 16: 'KB' }),
            slot(0x1104, 0x1000, { 12: word(0xffff), 16: 'unsure' }),
            slot(0x1105, 0x1001, { 16: 'VRAM' }),
            // Its size is said to be in KiB, and is none.
            slot(0x1106, 0x1000, { 12: word(0x8000), 16: 'nothing' }),
          ],
        ),
      ),
    ),
  );
  expect(Object.keys(found?.dimms ?? {}).sort()).toEqual(['A DIMM 0', 'B DIMM 0', 'KB', 'handle 0x1102']);
  // A module of unknown size is no empty slot.
  expect(found).toMatchObject({ slots: 6, empty_slots: 0, error_correction: 'none' });
  expect(found?.dimms?.KB?.size_bytes).toBe(512 * 1024);
});

test('this machine has what /proc/meminfo says', () => {
  const told = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  expect(observe(openSystem())?.total_bytes).toBe(Number(told) * 1024);
});
