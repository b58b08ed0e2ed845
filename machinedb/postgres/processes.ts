import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The ids of the PostgreSQL processes of a data directory: every one of them works in it (chdir at start), so unlike
 * the id in postmaster.pid this cannot be fooled by a process id that another program has now.
 */
export function processesOf(data: string): number[] {
  const { dev, ino } = statSync(data);
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const cwd = statSync(`/proc/${name}/cwd`);
      const program = basename(readlinkSync(`/proc/${name}/exe`)).replace(/ \(deleted\)$/, '');
      return cwd.dev === dev && cwd.ino === ino && program === 'postgres' ? [Number(name)] : [];
    } catch {
      // Ended meanwhile, or another user's and so none of ours.
      return [];
    }
  });
}

function postmasterOf(data: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10);
  } catch {
    return undefined;
  }
}

/** Milliseconds given to a fast shutdown, to an immediate one, and to the kernel. */
export const patience = { fast: 30_000, immediate: 5_000, kill: 5_000 };

/**
 * Stops whatever PostgreSQL runs on the data directory - our own, or what a killed MachineDB left: the postmaster, or
 * backends that outlived it - first politely, at last by force. The caller holds the lock that makes them ours.
 *
 * @returns how it ended: nothing ran; a clean shutdown; or stopped without a checkpoint, so that the next start recovers
 * @throws Error when a process does not even die when killed
 */
export async function stopProcesses(data: string, times = patience): Promise<'none' | 'clean' | 'forced'> {
  const first = processesOf(data);
  const postmaster = postmasterOf(data);
  let ended: 'none' | 'clean' | 'forced' = 'none';
  if (first.length > 0) {
    if (postmaster !== undefined && first.includes(postmaster)) {
      ended = 'clean';
      send([postmaster], 'SIGINT');
      await gone(data, times.fast);
    }
    for (const [signal, time] of [
      ['SIGQUIT', times.immediate],
      ['SIGKILL', times.kill],
    ] as const) {
      const left = processesOf(data);
      if (left.length === 0) break;
      ended = 'forced';
      send(left, signal);
      await gone(data, time);
    }
    const left = processesOf(data);
    if (left.length > 0) {
      throw new Error(
        `PostgreSQL's processes ${left.join(', ')} of ${data} cannot be killed, most likely because its disk does not answer. ` +
          'See the kernel log ("dmesg"), then start MachineDB again.',
      );
    }
  }
  return ended;
}

/**
 * Removes the lock files of a server that is known not to run. PostgreSQL takes one for valid when its process id is
 * that of any living process, or of a dead one that nobody has waited for.
 */
export function removeLockFiles(data: string, socket: string): void {
  for (const file of [
    join(data, 'postmaster.pid'),
    join(socket, '.s.PGSQL.5432.lock'),
    join(socket, '.s.PGSQL.5432'),
  ]) {
    rmSync(file, { force: true });
  }
}

function send(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

async function gone(data: string, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (processesOf(data).length > 0 && performance.now() < end) await sleep(50);
}
