import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bigMachine } from './testing/big-machine.ts';
import { makeTree } from './testing/tree.ts';

const agent = (...args: string[]) => spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);

test('a report larger than a pipe arrives whole, however slowly it is read', async () => {
  const { stdout } = agent('facts', '--json', '--root', makeTree(bigMachine({ functions: 200, cpus: 4 })));
  // The program ends, and what it said fills the pipe, before anybody reads.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const parts = await stdout.toArray();
  const text = Buffer.concat(parts).toString();
  expect(text.length).toBeGreaterThan(128 * 1024);
  expect(Object.keys(JSON.parse(text).sections.pci)).toHaveLength(200);
});

test('a reader that goes away is no error', async () => {
  const program = agent('facts', '--json', '--root', makeTree(bigMachine({ functions: 200, cpus: 4 })));
  program.stdout.destroy();
  const said = program.stderr.toArray();
  const [status] = await once(program, 'exit');
  expect([status, Buffer.concat(await said).toString()]).toEqual([0, '']);
});
