import { askTools, type Question } from './answers.ts';
import { askNeighbors } from './neighbors.ts';
import { smartDisks, smartFile } from './sections/disks.ts';
import { NVIDIA_SMI, NVLINK } from './sections/gpus.ts';
import { LLDPCTL } from './sections/lldp.ts';
import type { System } from './system.ts';

// Idle priority makes them slow on a busy machine; nvidia-smi first wakes every GPU where nothing keeps them awake.
const PATIENCE_MS = 30_000;
/** One after another, and each at once: more are told without it. */
const MOST_DISKS = 128;
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

/** lldpd's tool, where it runs: it speaks a protocol of its own on its socket. */
function lldpd(system: System): Question[] {
  if (!system.list('/run').includes('lldpd.socket')) return [];
  return [{ file: LLDPCTL, tool: 'lldpctl', args: ['-f', 'xml'], timeoutMs: PATIENCE_MS, maxBytes: 4 * MEBIBYTE }];
}

/** Identity only, and none of a disk that sleeps: `-n standby` asks for its power mode first, and leaves it asleep. */
function smart(system: System): Question[] {
  return smartDisks(system)
    .slice(0, MOST_DISKS)
    .map((name) => ({
      file: smartFile(name),
      tool: 'smartctl',
      args: ['--json=c', '--info', '--nocheck=standby', `/dev/${name}`],
      timeoutMs: PATIENCE_MS,
      maxBytes: MEBIBYTE,
    }));
}

/** What configures this machine's network changes while it runs, and with it who its neighbours are: asked at each look. */
export async function askNetwork(system: System): Promise<System> {
  return await askTools(await askNeighbors(system), lldpd(system));
}

/** As askNetwork, and all that is asked once: what hardware there is. */
export async function askMachine(system: System): Promise<System> {
  return await askTools(await askNetwork(system), [...nvidia(system), ...smart(system)]);
}
