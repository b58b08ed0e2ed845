import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPending, restore } from './snapshot.ts';

const AT_ONCE = 8;
const NEVER = 1_000_000;

const folder = mkdtempSync(join(tmpdir(), 'machinedb-crash-'));
const template = join(folder, 'template');
const program = join(folder, 'apply-once.mjs');
let before: Record<string, string>;

beforeAll(() => {
  // One file starts several times as fast as many that are stripped of their types.
  const source = join(import.meta.dirname, '../testing/apply-once.ts');
  buildSync({ entryPoints: [source], outfile: program, bundle: true, platform: 'node', format: 'esm' });
  const files = {
    'etc/hostname': 'localhost\n',
    'etc/hosts': '127.0.0.1\tlocalhost\n',
    'etc/apt/sources.list': '',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
    'etc/systemd/network/10-machinedb-eth1.network': 'old\n',
    'root/.ssh/authorized_keys': 'ssh-rsa AAAA somebody\n',
    'proc/sys/kernel/hostname': 'localhost',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(template, dirname(path)), { recursive: true });
    writeFileSync(join(template, path), text, { mode: path.includes('ssh') ? 0o600 : 0o644 });
  }
  before = tree(template);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Every file but the kernel's, which no power cut keeps: its mode and its text. */
function tree(root: string): Record<string, string> {
  const files = (readdirSync(root, { recursive: true }) as string[])
    .filter((path) => !path.startsWith('proc') && lstatSync(join(root, path)).isFile())
    .sort();
  return Object.fromEntries(
    files.map((path) => {
      const mode = (lstatSync(join(root, path)).mode & 0o777).toString(8);
      return [path, `${mode} ${readFileSync(join(root, path), 'utf8')}`];
    }),
  );
}

interface Machine {
  root: string;
  state: string;
}

function machineLike(from: Machine | undefined): Machine {
  const made = mkdtempSync(join(folder, 'machine-'));
  const machine = { root: join(made, 'root'), state: join(made, 'state') };
  cpSync(from?.root ?? template, machine.root, { recursive: true });
  if (from === undefined) mkdirSync(machine.state);
  else cpSync(from.state, machine.state, { recursive: true });
  return machine;
}

/** @returns whether it was cut off: it ended by itself otherwise, and well */
async function isCutOff(what: 'apply' | 'undo', { root, state }: Machine, n: number | 'probe'): Promise<boolean> {
  const child = spawn(process.execPath, [program, what, root, state, String(n)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL' && status !== 0) throw new Error(said);
  return signal === 'SIGKILL';
}

/** Cuts it off at the first change of the disk, the second, and so on, until it comes to its end. */
async function atEachChange(
  what: 'apply' | 'undo',
  from: Machine | undefined,
  check: (machine: Machine, n: number) => void,
): Promise<number> {
  for (let first = 1; ; first += AT_ONCE) {
    const cuts = Array.from({ length: AT_ONCE }, async (_, index) => {
      const machine = machineLike(from);
      const cut = await isCutOff(what, machine, first + index);
      check(machine, first + index);
      return cut;
    });
    const cut = await Promise.all(cuts);
    if (cut.includes(false)) return first + cut.indexOf(false) - 1;
  }
}

test('95 an apply that is cut off at any change of the disk: after recovery all is old or all is new', {
  timeout: 120_000,
}, async () => {
  const whole = machineLike(undefined);
  expect(await isCutOff('apply', whole, NEVER)).toBe(false);
  const after = tree(whole.root);
  expect(Object.keys(after)).toEqual([
    ...['etc/apt/keyrings/machinedb-base.asc', 'etc/apt/sources.list'],
    ...['etc/apt/sources.list.d/base.sources', 'etc/hostname', 'etc/hosts'],
    ...['etc/passwd', 'etc/ssh/sshd_config.d/00-machinedb.conf', 'etc/systemd/network/10-machinedb-eth0.network'],
    'root/.ssh/authorized_keys',
  ]);
  const seen = { old: 0, new: 0 };
  await atEachChange('apply', undefined, ({ root, state }, n) => {
    const undone = restore(root, state, 'reset') !== undefined;
    const now = tree(root);
    const isNew = JSON.stringify(now) === JSON.stringify(after);
    expect(now, `cut off at change ${n}`).toEqual(isNew ? after : before);
    expect(undone && isNew, `cut off at change ${n}`).toBe(false);
    seen[isNew ? 'new' : 'old'] += 1;
  });
  expect(seen.old).toBeGreaterThan(20);
  expect(seen.new).toBeGreaterThan(0);
});

test('95 an undo that is cut off at any change of the disk is done again, to its end', {
  timeout: 120_000,
}, async () => {
  const late = machineLike(undefined);
  expect(await isCutOff('apply', late, 'probe')).toBe(true);
  expect(tree(late.root)).not.toEqual(before);
  const undoing = await atEachChange('undo', late, ({ root, state }, n) => {
    restore(root, state, 'again');
    expect(tree(root), `cut off at change ${n}`).toEqual(before);
    expect(readPending(state)).toBeUndefined();
  });
  expect(undoing).toBeGreaterThan(10);
});
