import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Loader } from './dhcp/boot-file.ts';

/** Where Debian's packages have what is copied, and under which name it is asked for. */
const ipxe = ['undionly.kpxe', 'snponly.efi', 'ipxe.efi'];
/** shim asks for grubx64.efi beside itself, and for mmx64.efi where a person is to enrol a key. */
const signed = [
  { name: 'shimx64.efi', from: '/usr/lib/shim/shimx64.efi.signed', of: 'shim-signed' },
  { name: 'mmx64.efi', from: '/usr/lib/shim/mmx64.efi.signed', of: 'shim-helpers-amd64-signed' },
  {
    name: 'grubx64.efi',
    from: '/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed',
    of: 'grub-efi-amd64-signed',
  },
];

/** A loader's name in TFTP, the file that it is copied from, and what to do when there is none. */
interface Needed {
  name: string;
  from: string;
  way: string;
}

export interface LoaderOptions {
  loader: Loader;
  /** Folder with iPXE's loaders. */
  folder: string;
}

/** Files that must be there for the loaders that machines ask for. */
export function neededLoaders({ loader, folder }: LoaderOptions): Needed[] {
  const or = ', or set MACHINEDB_PXE_LOADERS to a folder that has it';
  return [
    ...ipxe.map((name) => ({ name, from: join(folder, name), way: `apt-get install ipxe${or}` })),
    ...(loader === 'shim' ? signed.map(({ name, from, of }) => ({ name, from, way: `apt-get install ${of}` })) : []),
  ];
}

/** Puts the loaders that machines ask for, and nothing else, into a folder. Throws when one is missing, with the package that has it. */
export function putLoaders(options: LoaderOptions, to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const { name, from, way } of neededLoaders(options)) {
    if (!existsSync(from)) throw new Error(`${from} is missing: ${way}`);
    copyFileSync(from, join(to, name));
  }
}
