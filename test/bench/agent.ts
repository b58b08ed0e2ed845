import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHarness } from '../harness.ts';
import { alternate, show, showRatio, time } from './measure.ts';

const ROUNDS = 7;
const executable = 'dist/machinedb-agent';

/** Wall of the agent's facts against lshw and facter, and its private memory with an idle session. */
export async function agent(): Promise<void> {
  const others = (['lshw', 'facter'] as const).filter((name) => {
    const isThere = spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
    if (!isThere) console.log(`  ${name} is not installed: apt-get install ${name}`);
    return isThere;
  });
  const walls = await alternate(ROUNDS, {
    agent: () => time(() => run(executable, ['facts', '--json'])),
    ...Object.fromEntries(
      others.map((name) => [name, () => time(() => run(name, name === 'lshw' ? ['-json'] : ['--json']))]),
    ),
  } as Record<string, () => Promise<number>>);
  show('machinedb-agent facts --json', walls.agent!, 'ms');
  for (const name of others) {
    show(name, walls[name]!, 'ms');
    showRatio(`agent / ${name}`, walls.agent!, walls[name]!);
  }
  const harness = await startHarness();
  const state = mkdtempSync(join(tmpdir(), 'machinedb-bench-agent-'));
  const { url, pins } = harness.daemons[0];
  const args = ['run', '--server', url, '--pin', pins.join(), '--state', state, '--first-beat-ms', '0'];
  const child = spawn(executable, args, { stdio: 'ignore' });
  try {
    await hasBeaten(harness);
    const sizes: { own: number; file: number }[] = [];
    for (let i = 0; i < 5; i++) {
      await sleep(2000);
      sizes.push({ own: privateMemory(child.pid!, 'Dirty'), file: privateMemory(child.pid!, 'Clean') });
    }
    const own = sizes.map((each) => each.own);
    const file = sizes.map((each) => each.file);
    show('private memory with an idle TLS session', own, 'MiB');
    show('pages of the executable, which the kernel drops when it needs them', file, 'MiB');
  } finally {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
    await harness.close();
    rmSync(state, { recursive: true });
  }
}

function run(command: string, args: string[]): void {
  // facter may end with 1 though it told all it knows: what counts is that it printed JSON.
  const { status, stdout } = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0 && !String(stdout).startsWith('{'))
    throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

async function hasBeaten(harness: Awaited<ReturnType<typeof startHarness>>): Promise<void> {
  for (let i = 0; i < 150; i++) {
    const { items } = await harness.call('listNodes', {});
    if (items.some(({ seen_at }) => seen_at !== undefined)) return;
    await sleep(200);
  }
  throw new Error('the agent has not beaten within 30 s');
}

/** MiB that no other process shares: written by this one, or of a file and as they are there (proc_pid_smaps(5), smaps_rollup). */
function privateMemory(pid: number, kind: 'Dirty' | 'Clean'): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^Private_${kind}:\\s+(\\d+) kB$`, 'm').exec(text)![1]) / 1024;
}
