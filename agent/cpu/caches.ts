import type { Cpu } from '../../shared/sections/cpu.ts';
import type { System } from '../system.ts';
import { groups } from './topology.ts';

type Caches = NonNullable<Cpu['caches']>;

/** The machine's CPU caches by name: l1d, l1i, l2, l3. */
export function caches(system: System, cpus: number[]): Caches {
  const first = cpus[0];
  const found: Caches = {};
  if (first === undefined) return found;
  for (const index of system.list(at(first))) {
    const level = /^index\d+$/.test(index) ? system.read(`${at(first)}/${index}/level`)?.trim() : undefined;
    if (level === undefined || !/^[1-9]$/.test(level)) continue;
    const kind = { Data: 'd', Instruction: 'i' }[system.read(`${at(first)}/${index}/type`)?.trim() ?? ''] ?? '';
    const shared = (cpu: number) => ['shared_cpu_list', 'shared_cpu_map'].map((name) => `${at(cpu)}/${index}/${name}`);
    // A CPU without this cache, as the efficient cores of some hybrids, is not an instance of it.
    const instances = (groups(system, cpus, shared) ?? [])
      .map((members) => ({ threads: members.length, size: sizeOf(system, members[0] ?? first, index) }))
      .filter(({ size }) => size > 0);
    if (instances.length === 0) continue;
    found[`l${level}${kind}`] = {
      size_bytes: same(instances.map(({ size }) => size)),
      total_bytes: instances.reduce((sum, { size }) => sum + size, 0),
      instances: instances.length,
      shared_by: same(instances.map(({ threads }) => threads)),
    };
  }
  return found;
}

function at(cpu: number): string {
  return `/sys/devices/system/cpu/cpu${cpu}/cache`;
}

/** Bytes of a CPU's cache by its folder ('index0': its first data cache); 0 when it has none. */
export function sizeOf(system: System, cpu: number, index: string): number {
  const match = /^(\d{1,9})([KM]?)$/.exec(system.read(`${at(cpu)}/${index}/size`)?.trim() ?? '');
  return match === null ? 0 : Number(match[1]) * { '': 1, K: 1024, M: 1024 * 1024 }[match[2] as '' | 'K' | 'M'];
}

function same(values: number[]): number | undefined {
  return new Set(values).size === 1 ? values[0] : undefined;
}
