import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { system } from '../../shared/sections/system.ts';
import { openSystem } from '../system.ts';
import { fixture, fixturePath, testCaptured } from '../testing/fixture.ts';
import { encode, smbiosTree } from '../testing/smbios.ts';
import { makeTree } from '../testing/tree.ts';
import { readTtar } from '../testing/ttar.ts';
import { observe } from './system.ts';

testCaptured("a captured server: garbage and 'NotProvided' are absent", () => {
  const tree = readTtar(readFileSync(fixturePath('sysfs/node_exporter-sys.ttar'), 'utf8'));
  const dmi = Object.entries(tree).filter(([path]) => path.startsWith('sys/class/dmi/'));
  const found = observe(openSystem(makeTree(Object.fromEntries(dmi))));
  expect(found).toEqual({
    manufacturer: 'Dell Inc.',
    product: 'PowerEdge R6515',
    serial: '7N62AI2',
    uuid: '83340ca8-cb49-4474-8c29-d2088ca84dd9',
    family: 'PowerEdge',
    board: { manufacturer: 'Dell Inc.', product: '07PXPY', version: 'A01', serial: '.7N62AI2.GRTCL6944100GP.' },
    chassis: { manufacturer: 'Dell Inc.', type: 'rack mount chassis', serial: '7N62AI2' },
  });
  expect(system.observed.parse(found)).toEqual(found);
});

testCaptured("an arm64 server whose chassis is all 'To be filled by O.E.M.'", () => {
  const found = observe(openSystem(fixture('hwloc/128arm-2pa2n8cluster4co.tar.bz2')));
  expect(found).toMatchObject({
    manufacturer: 'Huawei',
    product: 'XA320 V2',
    version: undefined,
    serial: '2102312MEA10K9000003',
    uuid: '76cfcdd4-c8a7-9486-e911-c1d00a756a75',
    chassis: { manufacturer: 'Huawei', type: 'main server chassis', version: undefined, serial: undefined },
  });
});

test('two boards with the counting UUID have none', () => {
  const uuid = Buffer.from('00020003000400050006000700080009', 'hex');
  const tree = smbiosTree([2, 7], [encode(1, 1, 0x1b, { 5: 'System Product Name', 8: uuid })]);
  const found = observe(openSystem(makeTree(tree)));
  expect(found).toMatchObject({ uuid: undefined, product: undefined });
});

test.each([
  [{ '/sys/class/dmi/id/sys_vendor': 'QEMU\n', '/sys/class/dmi/id/product_name': 'Standard PC\n' }, 'qemu'],
  [
    { '/sys/class/dmi/id/sys_vendor': 'Microsoft Corporation\n', '/sys/class/dmi/id/product_name': 'Surface\n' },
    undefined,
  ],
  [{ '/sys/hypervisor/type': 'xen\n' }, 'xen'],
  [{ '/sys/class/dmi/id/sys_vendor': 'Amazon EC2\n', '/sys/class/dmi/id/product_name': 'm5.large\n' }, 'ec2'],
  [{ '/sys/class/dmi/id/sys_vendor': 'Amazon EC2\n', '/sys/class/dmi/id/product_name': 'm5.metal\n' }, undefined],
  [{ '/proc/device-tree/hypervisor/compatible': 'linux,kvm\0' }, 'kvm'],
  [{ '/sys/firmware/acpi/tables/FACP': 'FACP\0\0\0\0\0\0FIRECKFCVMFADT' }, 'firecracker'],
  [smbiosTree([3, 0], [encode(0, 0, 0x1a, { 18: Buffer.from([0, 0x14]) })]), 'unknown'],
  [smbiosTree([3, 0], [encode(0, 0, 0x1a, { 18: Buffer.from([0, 0x0d]) })]), undefined],
])('what it runs on: %#', (tree, name) => {
  expect(observe(openSystem(makeTree(tree)))?.virtual).toBe(name);
});

test('a board with a device tree and no SMBIOS', () => {
  const root = makeTree({
    '/sys/firmware/devicetree/base/model': 'Raspberry Pi 4 Model B Rev 1.4\0',
    '/sys/firmware/devicetree/base/serial-number': '10000000abcdef01\0',
  });
  const found = observe(openSystem(root));
  expect(found).toMatchObject({ product: 'Raspberry Pi 4 Model B Rev 1.4', serial: '10000000abcdef01' });
});
