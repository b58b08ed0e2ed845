import { askTools, type Question } from './answers.ts';
import { askNeighbors } from './neighbors.ts';
import { NVIDIA_SMI, NVLINK } from './sections/gpus.ts';
import type { System } from './system.ts';

// Idle priority makes them slow on a busy machine; nvidia-smi first wakes every GPU where nothing keeps them awake.
const PATIENCE_MS = 30_000;
const MEBIBYTE = 1024 * 1024;

/** NVIDIA's tool, where its driver is loaded. */
function nvidia(system: System): Question[] {
  if (system.read('/proc/driver/nvidia/version') === undefined) return [];
  const about = { tool: 'nvidia-smi', timeoutMs: 2 * PATIENCE_MS, maxBytes: 4 * MEBIBYTE } as const;
  return [
    { ...about, file: NVIDIA_SMI, args: ['-q', '-x'] },
    { ...about, file: NVLINK, args: ['nvlink', '--status'] },
  ];
}

/** What configures this machine's network changes while it runs, and with it who its neighbours are: asked at each look. */
export async function askNetwork(system: System): Promise<System> {
  return await askNeighbors(system);
}

/** As askNetwork, and all that is asked once: what hardware there is. */
export async function askMachine(system: System): Promise<System> {
  return await askTools(await askNetwork(system), [...nvidia(system)]);
}
