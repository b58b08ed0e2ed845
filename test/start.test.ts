import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, globSync, mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readableClone } from '../machinedb/testing/readable-clone.ts';
import { root, runProgram } from './program.ts';

const isRoot = process.getuid?.() === 0;
const nobody = 65534;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

interface Started {
  child: ChildProcess;
  /** What it printed so far. */
  text(): string;
  /** Waits until it printed this. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  ended: Promise<number | null>;
}

/** A state directory of its own, below one that only its owner can enter; the database that root made for it goes, too. */
function stateDirectory(owner?: number): string {
  const closed = mkdtempSync(join(tmpdir(), 'machinedb-start-'));
  chmodSync(closed, 0o700);
  if (owner !== undefined) chownSync(closed, owner, owner);
  const state = join(closed, 'state');
  cleanUp.push(() => {
    for (const link of globSync(join(state, 'postgres'))) {
      const home = link.length > 0 ? tryReadLink(link) : undefined;
      if (home !== undefined) rmSync(home, { recursive: true, force: true });
    }
    rmSync(closed, { recursive: true, force: true });
  });
  return state;
}

function tryReadLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** What npm start runs, as a user would after npm ci; or npm start itself. */
function start(state: string, more: { uid?: number; environment?: Record<string, string>; npm?: true } = {}): Started {
  const clone = more.uid === undefined ? root : readableClone(more.uid);
  const node = join(clone, relative(root, realpathSync(process.execPath)));
  const [program, words] = more.npm ? ['npm', ['start']] : [node, [join(clone, 'machinedb/start.ts')]];
  const child = spawn(program, words, {
    cwd: clone,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: tmpdir(),
      MACHINEDB_STATE: state,
      MACHINEDB_LISTEN: '127.0.0.1:0',
      ...more.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(more.uid === undefined ? {} : { uid: more.uid, gid: more.uid }),
  });
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  cleanUp.push(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  return {
    child,
    text: () => text,
    async says(pattern) {
      await expect.poll(() => text, { timeout: 40_000, interval: 100 }).toMatch(pattern);
      return pattern.exec(text)!;
    },
    ended,
  };
}

/** Processes whose command line or working directory names the state directory, or where its database lies. */
function processesOf(state: string): string[] {
  const home = tryReadLink(join(state, 'postgres')) ?? state;
  return globSync('/proc/[0-9]*').flatMap((entry) => {
    try {
      const line = readFileSync(join(entry, 'cmdline'), 'utf8').replaceAll('\0', ' ');
      const cwd = readlinkSync(join(entry, 'cwd'));
      return [state, home].some((path) => line.includes(path) || cwd.startsWith(path)) ? [`${entry} ${line}`] : [];
    } catch {
      return [];
    }
  });
}

/** The commands that the banner tells to try, with the settings it tells. */
function printed(text: string): { settings: Record<string, string>; commands: string[] } {
  const lines = text
    .slice(text.indexOf('Try, in another terminal:'))
    .split('\n')
    .map((line) => line.trim());
  const settings = Object.fromEntries(
    lines.filter((line) => line.startsWith('export ')).map((line) => line.slice(7).split('=') as [string, string]),
  );
  return { settings, commands: lines.filter((line) => /^(machinedb\/|ansible-inventory)/.test(line)) };
}

const inventoryOf = async (settings: Record<string, string>) => {
  const { stdout } = await runProgram('machinedb/bin/machinedb', ['nodes', '--json'], settings);
  return (JSON.parse(stdout) as { items: { id: string; state: string; seen_at: string }[] }).items;
};

test('npm start: this machine is in the inventory, every command it prints works, a second start is refused, and SIGINT stops all', async () => {
  const state = stateDirectory();
  const first = start(state);
  const [, name] = await first.says(/This machine is in the inventory: (\S+)/);
  const { settings, commands } = printed((await first.says(/[\s\S]*Ctrl-C stops everything/))[0]);
  expect(first.text()).toContain(join(state, 'operator.token').slice(-20));
  expect(name).toBe(readFileSync('/proc/sys/kernel/hostname', 'utf8').trim());
  expect(commands.at(-1)).toMatch(/^ansible-inventory -i \S+ --graph$/);
  for (const command of commands) {
    const text = command.includes(' assign ') ? `${command} --yes` : command;
    const { code, stderr, stdout } = await runProgram('sh', ['-c', text], {
      ...settings,
      HOME: tmpdir(),
      LC_ALL: 'C.UTF-8',
    });
    expect([text, code, code === 0 ? '' : stderr + stdout]).toEqual([text, 0, '']);
  }
  const second = start(state);
  expect(await second.ended).toBe(1);
  expect(second.text()).toContain(
    `machinedb: The state directory ${state} is in use by another MachineDB (process ${first.child.pid}).`,
  );
  expect((await inventoryOf(settings)).length).toBe(1);
  first.child.kill('SIGINT');
  expect(await first.ended).toBe(0);
  expect(first.text()).not.toContain('agent ended');
  expect(processesOf(state)).toEqual([]);
}, 90_000);

test('after kill -9 of everything but the orphaned PostgreSQL the next start recovers, and this machine is the same node', async () => {
  const state = stateDirectory();
  const first = start(state);
  const before = printed((await first.says(/[\s\S]*Ctrl-C stops everything/))[0]).settings;
  const [node] = await inventoryOf(before);
  first.child.kill('SIGKILL');
  await first.ended;
  for (const line of processesOf(state).filter((line) => line.includes('machinedb-agent'))) {
    process.kill(Number(/\/proc\/(\d+)/.exec(line)![1]), 'SIGKILL');
  }
  expect(processesOf(state).join('\n')).toContain('postgres');
  const second = start(state);
  const after = printed((await second.says(/[\s\S]*Ctrl-C stops everything/))[0]).settings;
  expect((await inventoryOf(after)).map(({ id }) => id)).toEqual([node!.id]);
}, 90_000);

test('npm start with DATABASE_URL uses another server: no PostgreSQL of its own is started; what ends npm ends all', async () => {
  const harness = await import('./harness.ts');
  const borrowed = await harness.startHarness();
  cleanUp.push(() => borrowed.close());
  const state = stateDirectory();
  const started = start(state, {
    npm: true,
    environment: {
      DATABASE_URL: borrowed.databaseUrl,
      MACHINEDB_KEK_FILE: join(borrowed.daemons[0].stateDirectory, 'kek'),
    },
  });
  await started.says(/Ctrl-C stops everything/);
  expect(processesOf(state).filter((line) => line.includes('postgres'))).toEqual([]);
  expect((await borrowed.call('listNodes', { query: {} })).items).toHaveLength(1);
  expect(processesOf(state).join()).toContain('machinedb-agent');
  started.child.kill('SIGTERM');
  await started.ended;
  await expect.poll(() => processesOf(state), { timeout: 10_000 }).toEqual([]);
}, 90_000);

test.runIf(isRoot)(
  'an ordinary user can start it',
  async () => {
    const state = stateDirectory(nobody);
    const started = start(state, { uid: nobody });
    await started.says(/This machine is in the inventory: \S+/);
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(0);
    expect(processesOf(state)).toEqual([]);
  },
  120_000,
);

test('a port that is taken is named, with the way out', async () => {
  const state = stateDirectory();
  const first = start(state);
  const { settings } = printed((await first.says(/[\s\S]*Ctrl-C stops everything/))[0]);
  const listen = new URL(settings.MACHINEDB_URL!).host;
  const second = start(stateDirectory(), { environment: { MACHINEDB_LISTEN: listen } });
  expect(await second.ended).toBe(1);
  expect(second.text()).toContain(
    `machinedb: ${listen} is taken by another program: set MACHINEDB_LISTEN to another HOST:PORT`,
  );
}, 90_000);
