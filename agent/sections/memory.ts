import type { Memory } from '../../shared/sections/memory.ts';
import { dimmsOf } from '../memory/dimms.ts';
import { kibibytes } from '../memory/meminfo.ts';
import { readSmbios } from '../smbios/table.ts';
import type { System } from '../system.ts';

/** The memory: what the kernel manages, and the modules that firmware names. Never what is free. */
export function observe(system: System): Memory | undefined {
  const smbios = readSmbios(system);
  return {
    total_bytes: kibibytes(system.read('/proc/meminfo'), 'MemTotal'),
    ...(smbios && dimmsOf(smbios)),
  };
}
