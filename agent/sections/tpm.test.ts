import { expect, test } from 'vitest';
import { tpm } from '../../shared/sections/tpm.ts';
import { observeEach } from '../facts.ts';
import { openSystem, TPM_ANSWER } from '../system.ts';
import { byte, dword, encode, smbiosTree } from '../testing/smbios.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './tpm.ts';

const at = '/sys/class/tpm/tpm0';

const observed = (tree: Tree) => {
  const { sections, errors } = observeEach({ tpm: observe }, openSystem(makeTree(tree)));
  expect(errors).toEqual({});
  if (sections.tpm !== undefined) expect(tpm.observed.parse(sections.tpm)).toEqual(sections.tpm);
  return sections.tpm;
};

test('a TPM 1.2, by what its driver says', () => {
  const tree = {
    [`${at}/caps`]: 'Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 3.17\n',
    [`${at}/pcrs`]: 'PCR-00: 01 02\n',
    [`${at}/device/driver`]: { link: '../../../bus/pnp/drivers/tpm_tis' },
  };
  expect(observed(tree)).toEqual({ version: '1.2', manufacturer: 'IFX', firmware: '3.17', interface: 'tpm_tis' });
  // Older kernels have the file at the device itself; its maker may be a name.
  const old = 'Manufacturer: IBM\nTCG version: 1.2\nFirmware version: 8.1\n';
  expect(observed({ [`${at}/device/caps`]: old })).toEqual({ version: '1.2', manufacturer: 'IBM', firmware: '8.1' });
});

test('a TPM 2.0 that nobody may ask, by its driver, and without a driver, by ACPI', () => {
  expect(observed({ [`${at}/tpm_version_major`]: '2\n' })).toEqual({ version: '2.0' });
  expect(observed({ [`${at}/device/description`]: 'TPM 2.0 Device\n' })).toEqual({ version: '2.0' });
  expect(observed({ '/sys/firmware/acpi/tables/TPM2': '' })).toEqual({ version: '2.0' });
  expect(observed({ '/sys/firmware/acpi/tables/TCPA': '' })).toEqual({ version: '1.2' });
});

const device = (major: number, maker: string) =>
  encode(43, 0x30, 0x1f, {
    4: Buffer.from(maker),
    8: byte(major),
    9: byte(major === 1 ? 2 : 0),
    10: dword(0x00070055),
    14: dword(0x11cb00),
  });

test('by SMBIOS, also of firmware that names nobody', () => {
  expect(observed(smbiosTree([3, 1], [device(2, 'IFX\0')]))).toEqual({
    version: '2.0',
    manufacturer: 'IFX',
    firmware: '7.85.17.51968',
  });
  expect(observed(smbiosTree([3, 1], [device(1, '\0\0\0\0')]))).toEqual({ version: '1.2', firmware: '7.0' });
  expect(observed(smbiosTree([3, 1], [encode(43, 0x30, 9, {})]))).toBeUndefined();
});

test('its own answer is better than all, and it has a hash of each endorsement key', () => {
  const endorsement = { 'rsa-2048': { certificate_sha256: 'a'.repeat(64), key_sha256: 'b'.repeat(64) } };
  const properties = { 258: 138, 261: 0x4e544300, 262: 0x4e504354, 263: 0x37357800, 267: 0x70002, 268: 0 };
  const tree = {
    ...smbiosTree([3, 1], [device(2, 'IFX\0')]),
    [TPM_ANSWER]: JSON.stringify({ properties, endorsement }),
  };
  expect(observed(tree)).toEqual({
    version: '2.0',
    revision: '1.38',
    manufacturer: 'NTC',
    vendor: 'NPCT75x',
    firmware: '7.2',
    endorsement,
  });
});

test('its own answer alone says which version it is', () => {
  const answer = JSON.stringify({ properties: { 261: 0x49465800 } });
  expect(observed({ [TPM_ANSWER]: answer })).toEqual({ version: '2.0', manufacturer: 'IFX' });
});

test('a machine without one, and an answer that is none', () => {
  expect(observed({ '/sys/firmware/acpi/tables/FACP': '' })).toBeUndefined();
  const { errors } = observeEach({ tpm: observe }, openSystem(makeTree({ [TPM_ANSWER]: 'x' })));
  expect(errors).toEqual({ tpm: '/run/machinedb/tpm.json is not JSON: it was not understood' });
});
