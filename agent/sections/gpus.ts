import type { Gpus } from '../../shared/sections/gpus.ts';
import { acceleratorKind, isAccelerator } from '../parse/accelerators.ts';
import { amdGpu, nvidiaGpu } from '../parse/gpu-drivers.ts';
import { keyed } from '../parse/keyed.ts';
import { type NvidiaGpu, parseNvidiaSmi } from '../parse/nvidia-smi.ts';
import { type Nvlink, parseNvlink } from '../parse/nvlink.ts';
import { numaOf, type PciFunction, pciFunctions } from '../parse/pci.ts';
import { distances, peersOf } from '../parse/pci-distance.ts';
import { pciLinks } from '../parse/pci-links.ts';
import { ANSWERS, type System } from '../system.ts';

/** Files of what nvidia-smi answered. */
export const NVIDIA_SMI = 'nvidia-smi.xml';
export const NVLINK = 'nvidia-smi-nvlink';

/**
 * GPUs and accelerators by PCI address; what only the vendor's driver or tool knows is absent without it. A tool's answer that
 * cannot be read is a `note`, and hides nothing of what the kernel tells.
 */
export function observe(system: System): Gpus | undefined {
  const functions = pciFunctions(system);
  const found = functions.filter(isAccelerator);
  if (found.length === 0) return undefined;
  const links = pciLinks(system);
  const peers = peersOf(functions, isAccelerator);
  const nodeOf = ({ folder }: PciFunction) => numaOf(system, folder);
  const { told, nvlinks, note } = nvidiaSmi(system);
  return keyed(
    found.map((each) => {
      const { address, folder } = each;
      const smi = told.get(address);
      const driver = { ...amdGpu(system, folder), ...nvidiaGpu(system, address) };
      return {
        keys: [address],
        value: {
          kind: acceleratorKind(each),
          ...each.ids,
          driver: each.driver,
          numa_node: nodeOf(each),
          cpus: system.read(`${folder}/local_cpulist`)?.slice(0, 256),
          link: links.get(address),
          ...driver,
          ...withoutAbsent(smi),
          nvlink: smi?.uuid === undefined ? undefined : nvlinks.get(smi.uuid),
          affinity: distances(each, peers, nodeOf),
          note: each.ids.vendor === '0x10de' ? note : undefined,
        },
      };
    }),
  );
}

interface Told {
  told: Map<string, NvidiaGpu>;
  nvlinks: Map<string, Nvlink>;
  note?: string;
}

function nvidiaSmi(system: System): Told {
  try {
    const text = system.read(`${ANSWERS}/${NVIDIA_SMI}`);
    if (text === undefined) return { told: new Map(), nvlinks: new Map() };
    return { told: parseNvidiaSmi(text), nvlinks: nvlinksOf(system) };
  } catch (error) {
    return { told: new Map(), nvlinks: new Map(), note: (error as Error).message.slice(0, 256) };
  }
}

// Of a second question, without which the answer to the first one stands.
function nvlinksOf(system: System): Map<string, Nvlink> {
  try {
    return parseNvlink(system.read(`${ANSWERS}/${NVLINK}`) ?? '');
  } catch {
    return new Map();
  }
}

// What the tool does not say, the driver's file may.
function withoutAbsent<T extends object>(gpu: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(gpu ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}
