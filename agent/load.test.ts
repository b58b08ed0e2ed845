import { expect, test } from 'vitest';
import { observeAll } from './facts.ts';
import type { System } from './system.ts';
import { bigMachine } from './testing/big-machine.ts';
import { memorySystem } from './testing/memory-system.ts';

/** What an observation asks of the operating system: every path, in order. */
function asked(size: { functions: number; cpus: number }) {
  const system = memorySystem(bigMachine(size));
  const paths: string[] = [];
  const note = <T>(look: (path: string) => T) => {
    return (path: string) => {
      paths.push(path);
      return look(path);
    };
  };
  const { read, readBytes, list, link, real } = system;
  const noted: System = {
    ...system,
    read: note(read),
    readBytes: note(readBytes),
    list: note(list),
    link: note(link),
    real: note(real),
  };
  return { facts: observeAll(noted), paths };
}

test('what is read grows with what there is and no faster; no config space, no device, and no disk is touched', () => {
  const [small, big] = [asked({ functions: 100, cpus: 64 }), asked({ functions: 300, cpus: 256 })];
  expect(Object.keys(big.facts.sections.pci ?? {})).toHaveLength(300);
  expect(Object.keys(big.facts.sections.gpus ?? {})).toHaveLength(30);
  expect(Object.keys(big.facts.sections.disks ?? {})).toHaveLength(30);
  expect(big.facts.sections.cpu?.threads).toBe(256);
  // 200 functions more, of which 20 each are GPUs, ports and NVMe, and 192 CPUs more.
  expect(big.paths.length - small.paths.length).toBeLessThan(200 * 17 + 192 * 4);
  for (const path of big.paths) {
    expect(path).not.toMatch(/^\/sys\/.*\/config$|\/vpd$|\/resource\d*$|\/rom$/);
    expect(path).not.toMatch(/^\/dev\/(?!disk\/by-)/);
  }
});
