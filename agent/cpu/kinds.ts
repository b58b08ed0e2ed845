import type { Cpu } from '../../shared/sections/cpu.ts';
import type { System } from '../system.ts';
import { armName } from './arm.ts';
import { sizeOf } from './caches.ts';
import { formatList, parseList } from './list.ts';
import { coresOf } from './topology.ts';

// Intel's hybrids: a perf event source per kind (Linux: Documentation/ABI/testing/sysfs-bus-event_source-devices).
const intel = { performance: 'cpu_core', efficiency: 'cpu_atom', 'low-power': 'cpu_lowpower' };

/**
 * Kinds of core of a hybrid CPU, those that are online; undefined where all are of one kind.
 * @param mixed its cores' first caches differ in size, which cores of one kind never do
 */
export function kinds(system: System, cpus: number[], cpuinfo: string, mixed: boolean): Cpu['kinds'] {
  const online = new Set(cpus);
  const told = [...intelKinds(system), ...armKinds(cpuinfo)].filter(([, members]) => members.length > 0);
  const found = (told.length === 0 && mixed ? byCache(system, cpus) : told)
    .map(([name, members]) => [name, members.filter((cpu) => online.has(cpu))] as const)
    .filter(([, members]) => members.length > 0);
  if (found.length < 2) return undefined;
  return Object.fromEntries(
    found.map(([name, members]) => [
      name,
      { threads: members.length, cores: coresOf(system, members)?.length, cpus: formatList(members) },
    ]),
  );
}

function intelKinds(system: System): [string, number[]][] {
  return Object.entries(intel).map(([name, pmu]) => [name, parseList(system.read(`/sys/devices/${pmu}/cpus`))]);
}

// Where perf is switched off: the performance core has the larger first cache (48 KiB, 32 KiB).
function byCache(system: System, cpus: number[]): [string, number[]][] {
  const size = (cpu: number) => sizeOf(system, cpu, 'index0');
  const sorted = [...Map.groupBy(cpus, size)].sort(([a], [b]) => b - a);
  return sorted.length === 2
    ? sorted.map(([, members], index) => [index === 0 ? 'performance' : 'efficiency', members])
    : [];
}

// ARM: each processor of /proc/cpuinfo tells its part.
function armKinds(cpuinfo: string): [string, number[]][] {
  if (!cpuinfo.includes('CPU implementer')) return [];
  const named = cpuinfo.split(/^(?=processor[ \t]*:)/m).flatMap((block): [string, number][] => {
    const number = (key: string) => new RegExp(`^${key}[ \\t]*:[ \\t]*((?:0x)?[0-9a-f]{1,6})$`, 'm').exec(block)?.[1];
    const [processor, implementer, part] = [number('processor'), number('CPU implementer'), number('CPU part')];
    if (processor === undefined || implementer === undefined || part === undefined) return [];
    return [[armName(Number(implementer), Number(part)).model, Number(processor)]];
  });
  return [...Map.groupBy(named, ([name]) => name)].map(([name, members]) => [name, members.map(([, cpu]) => cpu)]);
}
