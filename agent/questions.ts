import { type Ask, askTools, type Question, remembering } from './answers.ts';
import { controllerAsker, doors } from './asked.ts';
import { askNeighbors } from './neighbors.ts';
import { ethtoolFile, portsToAsk } from './network/ethtool.ts';
import { smartDisks, smartFile } from './sections/disks.ts';
import { NVIDIA_SMI, NVLINK } from './sections/gpus.ts';
import { LLDPCTL } from './sections/lldp.ts';
import type { System } from './system.ts';

// Idle priority makes them slow on a busy machine; nvidia-smi first wakes every GPU where nothing keeps them awake.
const PATIENCE_MS = 30_000;
/** One after another, and each at once: more are told without it. */
const MOST_DISKS = 128;
const MOST_PORTS = 128;
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
      about: ['diskseq', 'size', 'device/model', 'wwid']
        .map((file) => system.read(`/sys/block/${name}/${file}`))
        .join(),
      timeoutMs: PATIENCE_MS,
      maxBytes: MEBIBYTE,
    }));
}

/** Ports that no file tells all of, where somebody set their MAC or their driver keeps the firmware's version to itself. */
function ethtool(system: System): Question[] {
  return portsToAsk(system)
    .slice(0, MOST_PORTS)
    .map(({ port: { name, folder }, question }) => ({
      ...{ file: ethtoolFile(question, name), tool: 'ethtool', args: [question, name] },
      about: ['ifindex', 'device/uevent'].map((file) => system.read(`${folder}/${file}`)).join(),
      timeoutMs: PATIENCE_MS,
      maxBytes: MEBIBYTE,
    }));
}

/** Node's module that starts processes is loaded only where there is something to ask. */
const optionalTool: Ask = async (tool, args, question) => {
  const { optionalTool: ask } = await import('./tools.ts');
  return await ask(tool, args, question);
};

/** Tools by the section that their answers are for. */
const bySection: Record<string, (system: System) => Question[]> = {
  gpus: nvidia,
  disks: smart,
  nics: ethtool,
  lldp: lldpd,
};

/**
 * Asks what no file tells, for these sections, or for all. A captured machine has its answers.
 */
export async function askMachine(system: System, sections?: string[], ask: Ask = optionalTool): Promise<System> {
  if (system.root !== '') return system;
  const isWanted = (name: string) => sections === undefined || sections.includes(name);
  const questions = Object.entries(bySection).flatMap(([name, of]) => (isWanted(name) ? of(system) : []));
  return await askTools(isWanted('lldp') ? await askNeighbors(system) : system, questions, ask);
}

/** Hardware changes seldom while it runs; neighbours are asked for at each look. */
const HOUR_MS = 3600 * 1000;

/** `askMachine` and its controllers for an agent that goes on looking: what is asked about hardware is asked once an hour at most. */
export function asker(now: () => number): (system: System, sections?: string[]) => Promise<System> {
  const remembered = remembering(optionalTool, now, HOUR_MS);
  const ask: Ask = (tool, ...rest) => (tool === 'lldpctl' ? optionalTool : remembered)(tool, ...rest);
  const askControllers = controllerAsker(doors());
  return async (system, sections) => {
    const told = await askMachine(system, sections, ask);
    const isWanted = sections?.some((name) => name === 'bmc' || name === 'tpm') ?? true;
    return isWanted ? await askControllers(told) : told;
  };
}
