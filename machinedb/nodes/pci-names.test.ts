import { expect, test } from 'vitest';
import { namesOf, parsePciIds, pciNamesFrom } from './pci-names.ts';

const ids = `#
#	List of PCI ID's
8086  Intel Corporation
	1521  I350 Gigabit Network Connection
		1028 0602  Gigabit 2P I350-t LOM
10de  NVIDIA Corporation
	20b2  GA100 [A100 SXM4 80GB]
garbage
	zzzz  no id
C 02  Network controller
	00  Ethernet controller
C 03  Display controller
	02  3D controller
C 01  Mass storage controller
	08  Non-Volatile memory controller
		02  NVM Express
`;

test('vendors, devices, subsystems and classes', () => {
  expect(Object.fromEntries(parsePciIds(ids))).toEqual({
    '0x8086': 'Intel Corporation',
    '0x8086:0x1521': 'I350 Gigabit Network Connection',
    '0x8086:0x1521:0x1028:0x0602': 'Gigabit 2P I350-t LOM',
    '0x10de': 'NVIDIA Corporation',
    '0x10de:0x20b2': 'GA100 [A100 SXM4 80GB]',
    'class 0x02': 'Network controller',
    'class 0x0200': 'Ethernet controller',
    'class 0x03': 'Display controller',
    'class 0x0302': '3D controller',
    'class 0x01': 'Mass storage controller',
    'class 0x0108': 'Non-Volatile memory controller',
    'class 0x010802': 'NVM Express',
  });
});

test("a machine's functions have the names that are known, and no others", () => {
  const pci = {
    '0000:02:00.0': { class: '0x020000', vendor: '0x8086', device: '0x1521', subsystem_vendor: '0x8086' },
    '0000:41:00.0': { class: '0x030200', vendor: '0x10de', device: '0xffff' },
    '0000:42:00.0': {},
  };
  expect(namesOf(pci, parsePciIds(ids))).toEqual({
    '0x8086': 'Intel Corporation',
    '0x8086:0x1521': 'I350 Gigabit Network Connection',
    '0x10de': 'NVIDIA Corporation',
    'class 0x0200': 'Ethernet controller',
    'class 0x0302': '3D controller',
  });
});

test('without a database nothing has a name', async () => {
  expect((await pciNamesFrom('/nowhere/pci.ids')()).size).toBe(0);
});
