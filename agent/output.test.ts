import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeTree, type Tree } from './testing/tree.ts';

/** A small tree with a large report: 80 GPUs, each of which tells how far away the others are. */
const gpus: Tree = Object.assign(
  {},
  ...Array.from({ length: 80 }, (_, index): Tree => {
    const address = `0000:${index.toString(16).padStart(2, '0')}:00.0`;
    return {
      [`/sys/bus/pci/devices/${address}`]: { link: `../../../devices/pci0000:00/${address}` },
      [`/sys/devices/pci0000:00/${address}/uevent`]: 'PCI_CLASS=30200\n',
    };
  }),
);

const agent = (...args: string[]) => spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);

test('a report larger than a pipe arrives whole, however slowly it is read', async () => {
  const { stdout } = agent('facts', '--json', '--root', makeTree(gpus));
  // The program ends, and what it said fills the pipe, before anybody reads.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const parts = await stdout.toArray();
  const text = Buffer.concat(parts).toString();
  expect(text.length).toBeGreaterThan(128 * 1024);
  expect(Object.keys(JSON.parse(text).sections.pci)).toHaveLength(80);
});

test('a reader that goes away is no error', async () => {
  const program = agent('facts', '--json', '--root', makeTree(gpus));
  program.stdout.destroy();
  const said = program.stderr.toArray();
  const [status] = await once(program, 'exit');
  expect([status, Buffer.concat(await said).toString()]).toEqual([0, '']);
});
