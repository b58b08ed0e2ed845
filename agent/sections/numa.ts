import type { Numa } from '../../shared/sections/numa.ts';
import { nodeIds, nodeOf } from '../memory/nodes.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import type { System } from '../system.ts';

const gpus = '/proc/driver/nvidia/gpus';
const dax = '/sys/bus/dax/devices';

/** NUMA nodes: CPUs, memory, distances, and what the memory of a node without CPUs is. Never what is free. */
export function observe(system: System): Numa | undefined {
  const ids = nodeIds(system);
  if (ids.length === 0) return undefined;
  const gpu = gpuNodes(system);
  const device = daxNodes(system);
  return keyed(
    ids.map((id) => ({
      keys: [String(id)],
      value: { ...nodeOf(system, id, ids), gpu: gpu.get(id), dax: device.get(id) },
    })),
  );
}

// On POWER9 and Grace, NVIDIA's driver makes a GPU's memory a node, and says which: 'Node:      255'.
function gpuNodes(system: System): Map<number, string> {
  const found = system.list(gpus).flatMap((address): [number, string][] => {
    const status = system.read(`${gpus}/${address}/numa_status`);
    const node = whole(/^Node:\s*(\d+)$/m.exec(status ?? '')?.[1]);
    return node === undefined ? [] : [[node, address]];
  });
  return new Map(found);
}

// Memory of a DAX device (CXL, NVDIMM, HBM) that kmem made ordinary memory: the node it became.
function daxNodes(system: System): Map<number, string> {
  const found = system.list(dax).flatMap((name): [number, string][] => {
    const node = whole(system.read(`${dax}/${name}/target_node`));
    const used = system.link(`${dax}/${name}/driver`)?.endsWith('/kmem') === true;
    return node === undefined || !used ? [] : [[node, name]];
  });
  return new Map(found);
}
