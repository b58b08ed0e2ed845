import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';
import { type Smbios, stringAt } from './table.ts';

/**
 * Reads an SMBIOS string twice over: the kernel's file in /sys/class/dmi/id, which any user may read but for serials,
 * or else the structure's own string, where this kernel is too old for the file.
 */
export function dmiText(system: System, smbios: Smbios | undefined) {
  return (file: string, type: number, offset: number): string | undefined => {
    const told = known(system.read(`/sys/class/dmi/id/${file}`));
    if (told !== undefined) return told;
    const structure = smbios?.structures.find((each) => each.type === type);
    return structure && known(stringAt(structure, offset));
  };
}
