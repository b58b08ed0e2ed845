import type { Numa } from '../../shared/sections/numa.ts';
import { formatList, parseList, parseMask } from '../cpu/list.ts';
import { whole } from '../parse/numbers.ts';
import type { System } from '../system.ts';
import { kibibytes } from './meminfo.ts';

type Node = Numa[string];

const base = '/sys/devices/system/node';
/** Distances of a node that are reported: beyond, a machine of 1,024 nodes would report a million numbers. */
const mostDistances = 128;

/** Numbers of the NUMA nodes that have a folder, in order (Linux: Documentation/ABI/stable/sysfs-devices-node). */
export function nodeIds(system: System): number[] {
  return system
    .list(base)
    .flatMap((name) => /^node(\d{1,4})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** A node's CPUs; kernels before 2.6.29 have only the mask. */
export function nodeCpus(system: System, id: number): number[] {
  const list = system.read(`${base}/node${id}/cpulist`);
  return list === undefined ? parseMask(system.read(`${base}/node${id}/cpumap`)) : parseList(list);
}

/**
 * What a node's own folder says of it.
 * @param ids every node, in order
 */
export function nodeOf(system: System, id: number, ids: number[]): Node {
  const at = `${base}/node${id}`;
  const cpus = nodeCpus(system, id);
  // The memory of the only node is the machine's; some virtual machines' kernels count the node's up while they run.
  const meminfo = ids.length > 1 ? system.read(`${at}/meminfo`) : system.read('/proc/meminfo');
  const memory = kibibytes(meminfo, 'MemTotal') ?? kibibytes(system.read(`${at}/meminfo`), 'MemTotal');
  return {
    cpus: cpus.length === 0 ? undefined : formatList(cpus),
    memory_bytes: memory,
    memory_only: cpus.length === 0 && memory !== undefined && memory > 0 ? true : undefined,
    cache_bytes: cacheOf(system, at),
    ...(ids.length > 1 && distancesOf(system, at, ids)),
    ...accessOf(system, `${at}/access0/initiators`),
  };
}

// A number per node that is online, in order; of a captured tree some nodes' folders may be missing.
function distancesOf(system: System, at: string, ids: number[]): Pick<Node, 'distances' | 'distances_dropped'> {
  const numbers = (system.read(`${at}/distance`) ?? '').trim().split(/\s+/).map(whole);
  const online = parseList(system.read(`${base}/online`));
  const order = [ids, online].find(({ length }) => length === numbers.length);
  if (order === undefined || numbers.includes(undefined)) return {};
  const distances = order.map((other, index) => [String(other), numbers[index]] as const);
  const dropped = distances.length - mostDistances;
  return {
    distances: Object.fromEntries(distances.slice(0, mostDistances)) as Record<string, number>,
    distances_dropped: dropped > 0 ? dropped : undefined,
  };
}

// Linux: Documentation/admin-guide/mm/numaperf.rst. Sizes of the levels' caches, in bytes.
function cacheOf(system: System, at: string): number | undefined {
  const sizes = system
    .list(`${at}/memory_side_cache`)
    .filter((name) => /^index\d+$/.test(name))
    .map((index) => whole(system.read(`${at}/memory_side_cache/${index}/size`)) ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0) || undefined;
}

// numaperf.rst: MB/s and ns, seen from the initiators that reach it best.
function accessOf(system: System, at: string): Partial<Node> {
  const number = (file: string) => whole(system.read(`${at}/${file}`)) || undefined;
  return {
    read_bandwidth_mbs: number('read_bandwidth'),
    write_bandwidth_mbs: number('write_bandwidth'),
    read_latency_ns: number('read_latency'),
    write_latency_ns: number('write_latency'),
  };
}
