import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { putLoaders } from './loaders.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-loaders-'));
afterAll(() => rmSync(directory, { recursive: true }));
const options = { loader: 'ipxe', folder: '/usr/lib/ipxe' } as const;
const names = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

test('machines find the loaders of iPXE, and with shim those that are signed', () => {
  const [plain, signed] = [join(directory, 'plain'), join(directory, 'signed')];
  mkdirSync(plain);
  writeFileSync(join(plain, 'grub.cfg'), 'what another version put there');
  putLoaders(options, plain);
  expect(names(plain)).toEqual(['ipxe.efi', 'snponly.efi', 'undionly.kpxe']);
  putLoaders({ ...options, loader: 'shim' }, signed);
  expect(names(signed)).toEqual([
    ...['grubx64.efi', 'ipxe.efi', 'mmx64.efi', 'shimx64.efi', 'snponly.efi'],
    'undionly.kpxe',
  ]);
  // What is not signed lies there, too, but nobody is told of it: see boot-file.ts.
  for (const name of ['shimx64.efi', 'grubx64.efi'])
    expect(readFileSync(join(signed, name)).includes('Debian Secure Boot Signer')).toBe(name === 'grubx64.efi');
});

test('a loader that is missing is told, with the package that has it', () => {
  expect(() => putLoaders({ ...options, folder: '/nosuch' }, join(directory, 'none'))).toThrow(
    '/nosuch/undionly.kpxe is missing: apt-get install ipxe, or set MACHINEDB_PXE_LOADERS to a folder that has it',
  );
});
