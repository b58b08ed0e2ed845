// Runs the agent of a tree of this repository, on a machine that is no more than its DMI strings, until SIGTERM.
import { join } from 'node:path';

const { tree, serial, url, ...options } = JSON.parse(process.argv[2] ?? '') as {
  tree: string;
  serial: string;
  url: string;
};
const { runAgent } = (await import(join(tree, 'agent/run.ts'))) as typeof import('../../agent/run.ts');
const { memorySystem } = (await import(
  join(tree, 'agent/testing/memory-system.ts')
)) as typeof import('../../agent/testing/memory-system.ts');
const ending = new AbortController();
process.on('SIGTERM', () => ending.abort());
await runAgent({
  ...(options as unknown as { pins: string[]; directory: string; joinToken: string }),
  system: memorySystem({
    '/sys/class/dmi/id/product_serial': `${serial}\n`,
    '/sys/class/dmi/id/product_name': 'Simulated\n',
    '/sys/class/dmi/id/sys_vendor': 'Simulated\n',
    '/proc/sys/kernel/hostname': `${serial.toLowerCase()}\n`,
  }),
  url: new URL(url),
  clock: Date.now,
  random: Math.random,
  firstBeatMs: 0,
  observeMs: 60_000,
  bootId: `boot-${serial}`,
  firstSeq: 0,
  log: (message) => console.error(message),
  signal: ending.signal,
});
