import { expect, test } from 'vitest';
import { type BootClient, bootFileOf } from './boot-file.ts';

const bootUrl = 'http://10.77.0.1:4281';
const pxe = (arch: number): BootClient => ({ arch, vendorClass: `PXEClient:Arch:${arch}`, isIpxe: false });
const http = (arch: number): BootClient => ({ arch, vendorClass: `HTTPClient:Arch:${arch}`, isIpxe: false });
const first = `${bootUrl}/boot/ipxe`;

test.each<[string, BootClient, string | undefined, string | undefined]>([
  ['BIOS', pxe(0), 'undionly.kpxe', 'undionly.kpxe'],
  ['UEFI x64', pxe(7), 'snponly.efi', 'shimx64.efi'],
  ['UEFI x64 as RFC 4578 was printed', pxe(9), 'snponly.efi', 'shimx64.efi'],
  ['UEFI x64 by HTTP', http(0x10), `${bootUrl}/loaders/snponly.efi`, undefined],
  ['iPXE of a BIOS', { ...pxe(0), isIpxe: true }, first, first],
  ['iPXE of UEFI', { ...pxe(7), isIpxe: true }, first, first],
  ['iPXE that UEFI fetched by HTTP', { ...http(0x10), isIpxe: true }, first, first],
  ['13 UEFI ia32', pxe(6), undefined, undefined],
  ['13 UEFI ia32 by HTTP', http(0x0f), undefined, undefined],
  ['13 UEFI arm64', pxe(0x0b), undefined, undefined],
  ['13 UEFI arm64 by HTTP', http(0x13), undefined, undefined],
  ['13 an architecture of HTTP that says PXE', pxe(0x10), undefined, undefined],
  ['13 an architecture of PXE that says HTTP', http(7), undefined, undefined],
  ['13 an architecture that nobody has given', pxe(0xffff), undefined, undefined],
  ['a system that runs', { arch: undefined, vendorClass: 'systemd', isIpxe: false }, undefined, undefined],
  ['no architecture', { ...pxe(7), arch: undefined }, undefined, undefined],
  ['no vendor class', { ...pxe(7), vendorClass: undefined }, undefined, undefined],
])('%s', (_, client, ipxe, shim) => {
  expect(bootFileOf(client, { loader: 'ipxe', bootUrl })?.file).toBe(ipxe);
  expect(bootFileOf(client, { loader: 'shim', bootUrl })?.file).toBe(shim);
});

test('a client is called back as it called itself', () => {
  const clients = [pxe(7), http(0x10), { ...pxe(7), isIpxe: true }];
  expect(clients.map((client) => bootFileOf(client, { loader: 'ipxe', bootUrl })?.client)).toEqual([
    'PXEClient',
    'HTTPClient',
    'iPXE',
  ]);
});
