import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openState } from './state.ts';

let root: string;
let children: ChildProcess[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'state-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

/** Another process that opens the state directory, says how that went and stays. */
async function opener(path: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    const { openState } = await import(${JSON.stringify(import.meta.resolve('./state.ts'))});
    setInterval(() => undefined, 60_000);
    try { await openState(process.argv[1]); console.log('opened'); } catch (error) { console.log(error.message); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, said };
}

test('the directory is made private, and free again once closed', async () => {
  const path = join(root, 'a/b');
  const state = await openState(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  state.close();
  const again = await openState(path);
  expect(again.directory).toBe(path);
  again.close();
});

test('a second start is refused with the process and the directory, until the first is gone, also by kill -9', async () => {
  const path = join(root, 'state');
  const { child } = await opener(path);
  await expect(openState(path)).rejects.toThrow(
    new Error(
      `The state directory ${path} is in use by another MachineDB (process ${child.pid}). ` +
        'Stop that one first, or set MACHINEDB_STATE to another directory.',
    ),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  (await openState(path)).close();
});

test('a left-over lock file that names a living process locks nothing', async () => {
  mkdirSync(join(root, 'state'), { mode: 0o700 });
  writeFileSync(join(root, 'state/lock'), `${process.ppid}\n`);
  (await openState(join(root, 'state'))).close();
});

test('of starts at the same instant exactly one wins', async () => {
  const path = join(root, 'state');
  const all = await Promise.all(Array.from({ length: 6 }, () => opener(path)));
  const winners = all.filter(({ said }) => said === 'opened');
  expect(winners).toHaveLength(1);
  for (const { said } of all.filter((one) => one !== winners[0])) {
    expect(said).toBe(
      `The state directory ${path} is in use by another MachineDB (process ${winners[0]?.child.pid}). ` +
        'Stop that one first, or set MACHINEDB_STATE to another directory.',
    );
  }
});

test('a directory that others can read is refused, not changed', async () => {
  chmodSync(root, 0o755);
  await expect(openState(root)).rejects.toThrow(
    new Error(
      `The state directory ${root} is open to other users (mode 755), but it holds keys. ` +
        `Close it with "chmod 700 ${root}", or set MACHINEDB_STATE to another directory.`,
    ),
  );
  expect(statSync(root).mode & 0o777).toBe(0o755);
});

test('what is not a directory is refused', async () => {
  const path = join(root, 'file');
  writeFileSync(path, '');
  await expect(openState(path)).rejects.toThrow(
    new Error(`The state directory ${path} is not a directory. Set MACHINEDB_STATE to a directory.`),
  );
});

test.runIf(process.getuid?.() === 0)("another user's directory is refused", async () => {
  chownSync(root, 65534, 65534);
  await expect(openState(root)).rejects.toThrow(
    new Error(
      `The state directory ${root} belongs to user id 65534, but this process runs as user id 0. ` +
        'Start MachineDB as that user, or set MACHINEDB_STATE to another directory.',
    ),
  );
});
