import type { System } from '../system.ts';
import { parseList, parseMask } from './list.ts';

const base = '/sys/devices/system/cpu';

/** How many of each are online. */
export interface Topology {
  sockets?: number;
  dies?: number;
  cores?: number;
  threads: number;
}

/** Ids of the CPUs that are online and that sysfs knows; empty without sysfs. */
export function onlineCpus(system: System): number[] {
  const known = system
    .list(base)
    .map((name) => /^cpu(\d+)$/.exec(name)?.[1])
    .filter((id) => id !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  const online = new Set(parseList(system.read(`${base}/online`)));
  return online.size === 0 ? known : known.filter((cpu) => online.has(cpu));
}

/**
 * Counts sockets, dies, cores and threads. Each group lists its members, so one file is read per group and not per CPU.
 * Ids are not compared: they repeat across packages, and some firmware gives several packages the same.
 * @param cpuinfo text of /proc/cpuinfo, for machines without sysfs topology
 */
export function topology(system: System, cpus: number[], cpuinfo: string): Topology {
  const file = (cpu: number, name: string) => `${base}/cpu${cpu}/topology/${name}`;
  // Since Linux 5.x thread_siblings is core_cpus and core_siblings is package_cpus; the old names remain.
  const split = (...names: string[]) => groups(system, cpus, (cpu) => names.map((name) => file(cpu, name)));
  const cores = split('thread_siblings_list', 'thread_siblings');
  if (cores === undefined) return fromCpuinfo(cpuinfo, cpus.length);
  return {
    sockets: split('core_siblings_list', 'core_siblings')?.length,
    // -1: the firmware does not tell, and the kernel then lists each CPU as its own die.
    dies: system.read(file(cpus[0] ?? 0, 'die_id')) === '-1' ? undefined : split('die_cpus_list')?.length,
    cores: cores.length,
    threads: cpus.length,
  };
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

function fromCpuinfo(cpuinfo: string, online: number): Topology {
  const threads = cpuinfo.match(/^processor\s*:/gm)?.length ?? online;
  const packages = [...cpuinfo.matchAll(/^physical id\s*:\s*(\d+)/gm)].map((match) => match[1]);
  const cores = [...cpuinfo.matchAll(/^core id\s*:\s*(\d+)/gm)].map((match, index) => `${packages[index]}/${match[1]}`);
  return {
    sockets: packages.length === threads ? new Set(packages).size : undefined,
    cores: cores.length === threads ? new Set(cores).size : undefined,
    threads,
  };
}
