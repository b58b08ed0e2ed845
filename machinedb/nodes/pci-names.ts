import { readFile } from 'node:fs/promises';
import type { Pci } from '../../shared/sections/pci.ts';

/** Names by id: '0x8086', '0x8086:0x1521' (vendor, device), '0x8086:0x1521:0x1028:0x0000' (and subsystem), 'class 0x0200'. */
export type PciNames = ReadonlyMap<string, string>;

/**
 * Reads a PCI id database (pci.ids(5)): vendors at the start of a line, their devices after a tab, subsystems after two, classes
 * behind a C. Lines of another form are left out.
 */
export function parsePciIds(text: string): PciNames {
  const names = new Map<string, string>();
  // What the lines with more tabs belong to.
  let [vendor, device]: (string | undefined)[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\t{0,2})(C )?([0-9a-f]{2}|[0-9a-f]{4})(?: ([0-9a-f]{4}))? {2}(\S.*)$/.exec(line);
    if (match === null) continue;
    const [, tabs, isClass, id = '', subdevice, name = ''] = match;
    let key: string;
    if (tabs === '') {
      key = isClass === undefined ? `0x${id}` : `class 0x${id}`;
      [vendor, device] = [key, undefined];
    } else if (tabs === '\t') {
      key = vendor?.startsWith('class') === true ? `${vendor}${id}` : `${vendor}:0x${id}`;
      device = key;
    } else {
      key = subdevice === undefined ? `${device}${id}` : `${device}:0x${id}:0x${subdevice}`;
    }
    names.set(key, name.slice(0, 256));
  }
  return names;
}

/** The names of all that a machine's PCI functions are; of the closest that is known. */
export function namesOf(pci: Pci, names: PciNames): Record<string, string> {
  const keys = Object.values(pci).flatMap(({ class: pciClass, vendor, device, subsystem_vendor, subsystem_device }) => [
    `class ${pciClass?.slice(0, 6)}`,
    `${vendor}`,
    `${vendor}:${device}`,
    `${vendor}:${device}:${subsystem_vendor}:${subsystem_device}`,
    `${subsystem_vendor}`,
  ]);
  const known = [...new Set(keys)].sort().flatMap((key) => {
    const name = names.get(key);
    return name === undefined ? [] : [[key, name] as const];
  });
  return Object.fromEntries(known);
}

/**
 * The database of a file, read when the first one asks (1.5 MB), and once. Where there is none, nothing has a name: Debian's
 * package pci.ids brings it.
 */
export function pciNamesFrom(file: string): () => Promise<PciNames> {
  let read: Promise<PciNames> | undefined;
  return () => {
    read ??= readFile(file, 'utf8').then(parsePciIds, () => new Map());
    return read;
  };
}
