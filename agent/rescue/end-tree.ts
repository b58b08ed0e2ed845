import { setTimeout as sleep } from 'node:timers/promises';
import type { System } from '../system.ts';

const LOOK_MS = 50;
const PATIENCE_MS = 10_000;

/**
 * Ends a process and all that descend from it. They are halted first, until no new one is found: one that is halted begins
 * nothing more. Resolves when they are gone, and with them what they had open; one that hangs in the kernel for ten seconds is left to the reset of the machine.
 */
export async function endTree(system: System, pid: number): Promise<void> {
  const doomed = new Set<number>();
  for (let found = [pid]; found.length > 0; found = childrenOf(system, doomed)) {
    for (const each of found) {
      doomed.add(each);
      signal(each, 'SIGSTOP');
    }
  }
  for (const each of doomed) signal(each, 'SIGKILL');
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    const now = processes(system);
    if ([...doomed].every((each) => (now.get(each)?.state ?? 'Z') === 'Z')) return;
    await sleep(LOOK_MS);
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}

/** Children of these that are not among them. */
function childrenOf(system: System, parents: Set<number>): number[] {
  const all = [...processes(system)];
  return all.filter(([pid, { parent }]) => parents.has(parent) && !parents.has(pid)).map(([pid]) => pid);
}

/** Process → its state and parent (proc_pid_stat(5), fields 1, 3 and 4). The name in field 2 may hold anything, a ")" too. */
function processes(system: System): Map<number, { state: string; parent: number }> {
  const numbers = system.list('/proc').filter((name) => /^\d+$/.test(name));
  return new Map(
    numbers.flatMap((number) => {
      const stat = system.read(`/proc/${number}/stat`);
      const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
      return state === undefined ? [] : [[Number(number), { state, parent: Number(parent) }] as const];
    }),
  );
}
