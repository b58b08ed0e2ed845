import type { System } from '../system.ts';
import type { Topology } from './topology.ts';

const tree = '/proc/device-tree/cpus';

/**
 * Counts of a machine without sysfs topology: a kernel before 2.6.17, or a container's thin /proc. From /proc/cpuinfo, and from
 * the device tree on POWER, whose cpuinfo knows no cores.
 * @param online CPUs that sysfs knows
 */
export function countedTopology(system: System, cpuinfo: string, online: number): Topology {
  // s390: 'processor 0: version = FF,  identification = 0123,  machine = 2094'.
  const threads = cpuinfo.match(/^processor[ \t]*\d*[ \t]*:/gm)?.length ?? online;
  const packages = [...cpuinfo.matchAll(/^physical id[ \t]*:[ \t]*(\d+)/gm)].map((match) => match[1]);
  const cores = [...cpuinfo.matchAll(/^core id[ \t]*:[ \t]*(\d+)/gm)].map(
    (match, index) => `${packages[index]}/${match[1]}`,
  );
  return {
    sockets: packages.length === threads ? new Set(packages).size : undefined,
    cores: cores.length === threads ? new Set(cores).size : deviceTreeCores(system, threads),
    threads,
  };
}

// A node per core; ibm,ppc-interrupt-server#s has a 32-bit number for each of its threads (LoPAR, C.6.1.4).
function deviceTreeCores(system: System, threads: number): number | undefined {
  const cores = system.list(tree).filter((name) => system.read(`${tree}/${name}/device_type`) === 'cpu');
  const servers = cores.map((name) => system.readBytes(`${tree}/${name}/ibm,ppc-interrupt-server#s`)?.length ?? 4);
  const told = servers.reduce((sum, length) => sum + length / 4, 0);
  return told === threads ? cores.length || undefined : undefined;
}
