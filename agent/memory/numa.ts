import type { Memory } from '../../shared/sections/memory.ts';
import { formatList, parseList, parseMask } from '../cpu/list.ts';
import { whole } from '../parse/numbers.ts';
import type { System } from '../system.ts';
import { kibibytes } from './meminfo.ts';

const base = '/sys/devices/system/node';

/** NUMA nodes by id: their CPUs as a list ('0-3,8'), their memory, and how far each other node is (10 is itself). */
export function numaNodes(system: System): NonNullable<Memory['nodes']> {
  const ids = system
    .list(base)
    .map((name) => /^node(\d+)$/.exec(name)?.[1])
    .filter((id) => id !== undefined)
    .sort((a, b) => Number(a) - Number(b));
  return Object.fromEntries(
    ids.map((id) => {
      const at = `${base}/node${id}`;
      const list = system.read(`${at}/cpulist`);
      const cpus = list === undefined ? parseMask(system.read(`${at}/cpumap`)) : parseList(list);
      // The kernel writes one number per online node, in order.
      const numbers = (system.read(`${at}/distance`) ?? '').trim().split(/\s+/).map(whole);
      const distances = numbers.length === ids.length ? ids.map((other, index) => [other, numbers[index]]) : [];
      return [
        id,
        {
          cpus: cpus.length === 0 ? undefined : formatList(cpus),
          // Of one node it is the machine's total, which some virtual machines' kernels count up while they run.
          memory_bytes: ids.length > 1 ? kibibytes(system.read(`${at}/meminfo`), 'MemTotal') : undefined,
          distances: ids.length > 1 ? Object.fromEntries(distances) : undefined,
        },
      ];
    }),
  );
}
