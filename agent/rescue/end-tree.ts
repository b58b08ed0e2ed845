import type { System } from '../system.ts';

/** Ends a process and all that descend from it, the eldest first, so that it begins nothing more. */
export function endTree(system: System, pid: number): void {
  const parents = parentsOf(system);
  const doomed = [pid];
  for (let i = 0; i < doomed.length; i++)
    doomed.push(...[...parents].filter(([, parent]) => parent === doomed[i]).map(([child]) => child));
  for (const each of doomed) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** Process → its parent (proc_pid_stat(5), fields 1 and 4). The name in field 2 may hold anything, a ")" too. */
function parentsOf(system: System): Map<number, number> {
  const numbers = system.list('/proc').filter((name) => /^\d+$/.test(name));
  return new Map(
    numbers.flatMap((number) => {
      const stat = system.read(`/proc/${number}/stat`);
      const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return parent === undefined ? [] : [[Number(number), Number(parent)] as const];
    }),
  );
}
