import type { System } from '../system.ts';
import { parseList, parseMask } from './list.ts';
import { countedTopology } from './without-sysfs.ts';

const base = '/sys/devices/system/cpu';

/** How many of each are online. */
export interface Topology {
  /** IBM Z: frames of a machine, and processor books in them. */
  drawers?: number | undefined;
  books?: number | undefined;
  sockets?: number | undefined;
  dies?: number | undefined;
  /** Groups of cores that share an L2 cache or its tags, where they are neither the cores nor the dies. */
  clusters?: number | undefined;
  cores?: number | undefined;
  threads: number;
}

/** Ids of the CPUs that are online and that sysfs knows; empty without sysfs. */
export function onlineCpus(system: System): number[] {
  const known = system
    .list(base)
    .flatMap((name) => /^cpu(\d{1,5})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const text = system.read(`${base}/online`);
  if (text === undefined) return known.filter((cpu) => system.read(`${base}/cpu${cpu}/online`)?.trim() !== '0');
  const online = new Set(parseList(text));
  return online.size === 0 ? known : known.filter((cpu) => online.has(cpu));
}

/**
 * Counts sockets, dies, cores and threads (Linux: Documentation/admin-guide/cputopology.rst). Each group lists its members, so
 * one file is read per group and not per CPU. Ids tell groups apart only within a list: they repeat across packages.
 * @param cpuinfo text of /proc/cpuinfo, for machines without sysfs topology
 */
export function topology(system: System, cpus: number[], cpuinfo: string): Topology {
  const cores = coresOf(system, cpus);
  if (cores === undefined) return countedTopology(system, cpuinfo, cpus.length);
  const packages = split(system, cpus, 'package_cpus', 'core_siblings');
  const dies = told(system, cpus, 'die_id') ? split(system, cpus, 'die_cpus')?.length : undefined;
  const clusters = told(system, cpus, 'cluster_id') ? split(system, cpus, 'cluster_cpus')?.length : undefined;
  return {
    drawers: split(system, cpus, 'drawer_siblings')?.length,
    books: split(system, cpus, 'book_siblings')?.length,
    // Kernels before 2.6.20 list siblings of other packages, too.
    sockets: packages && apart(system, packages, 'physical_package_id').length,
    dies,
    clusters: clusters === cores.length || clusters === dies || clusters === packages?.length ? undefined : clusters,
    cores: cores.length,
    threads: cpus.length,
  };
}

/** The CPUs of each core; undefined without sysfs topology. */
export function coresOf(system: System, cpus: number[]): number[][] | undefined {
  const cores = split(system, cpus, 'core_cpus', 'thread_siblings');
  const shared = cores?.find(({ length }) => length > 1);
  if (cores === undefined || shared === undefined) return cores;
  // AMD's compute units (family 15h) were listed as threads of one core by kernels that told two core ids of them.
  return apart(system, [shared], 'core_id').length === 1 ? cores : apart(system, cores, 'core_id');
}

// -1: the firmware does not tell, and the kernel then lists each CPU, or all, as one.
function told(system: System, cpus: number[], id: string): boolean {
  return system.read(`${base}/cpu${cpus[0]}/topology/${id}`)?.trim() !== '-1';
}

// Since Linux 5.3 thread_siblings is core_cpus and core_siblings is package_cpus; the old names remain.
function split(system: System, cpus: number[], ...names: string[]): number[][] | undefined {
  const files = names.flatMap((name) => [`${name}_list`, name]);
  return groups(system, cpus, (cpu) => files.map((file) => `${base}/cpu${cpu}/topology/${file}`));
}

function apart(system: System, groups: number[][], id: string): number[][] {
  return groups.flatMap((members) => [
    ...Map.groupBy(members, (cpu) => system.read(`${base}/cpu${cpu}/topology/${id}`)?.trim()).values(),
  ]);
}

/**
 * Splits `cpus` into the groups that sysfs files describe.
 * @param files a CPU's files in order of preference: lists when their name ends in '_list', else masks
 * @returns undefined without CPUs, or when the first has none of the files
 */
export function groups(system: System, cpus: number[], files: (cpu: number) => string[]): number[][] | undefined {
  const left = new Set(cpus);
  const found: number[][] = [];
  for (const cpu of cpus) {
    if (!left.has(cpu)) continue;
    const members = membersOf(system, files(cpu));
    if (members === undefined && found.length === 0) return undefined;
    const group = [...new Set([cpu, ...(members ?? [])])].filter((member) => left.has(member));
    for (const member of group) left.delete(member);
    found.push(group);
  }
  return found.length === 0 ? undefined : found;
}

function membersOf(system: System, files: string[]): number[] | undefined {
  for (const file of files) {
    const text = system.read(file);
    if (text !== undefined) return file.endsWith('_list') ? parseList(text) : parseMask(text);
  }
  return undefined;
}
