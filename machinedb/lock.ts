import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A lock on a file, held until `release` or until this process is gone in whatever way. */
export interface Lock {
  /** May be called more than once. */
  release(): void;
}

/** Thrown by {@link takeLock} when another process holds the lock; `pid` is undefined while that one has not told it. */
export class LockHeldError extends Error {
  readonly pid: number | undefined;
  constructor(path: string, pid: number | undefined) {
    super(`${path} is locked by ${pid === undefined ? 'another process' : `process ${pid}`}`);
    this.name = 'LockHeldError';
    this.pid = pid;
  }
}

/**
 * Takes the lock `path` (made, mode 0600, when absent, and never removed) and writes this process's id into it. Of two
 * that try at the same instant exactly one wins.
 *
 * The lock is flock(2)'s, which the kernel drops with the last descriptor of the open file: a file left behind by a
 * dead process locks nothing, whoever has its process id now. Node has no flock, but the lock belongs to the open
 * file, not to a process, so flock(1) can take it on a descriptor it inherits and leave it with us.
 *
 * @throws LockHeldError when it is held; Error when flock(1) cannot be run
 */
export async function takeLock(path: string): Promise<Lock> {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  const { status, error, stderr } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  if (status === 0) {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
    let held = true;
    return {
      release() {
        if (!held) return;
        held = false;
        ftruncateSync(fd);
        closeSync(fd);
      },
    };
  }
  closeSync(fd);
  if (error !== undefined || status !== 1) {
    const cause = error?.message ?? stderr.toString().trim();
    throw new Error(`${path} cannot be locked: ${cause}. Install flock (Debian: apt-get install util-linux).`);
  }
  throw new LockHeldError(path, await holder(path));
}

/** The holder writes its id just after it got the lock: give it that instant, and do not name a dead predecessor. */
async function holder(path: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    if (pid > 0 && isAlive(pid)) return pid;
    await sleep(25);
  }
  return undefined;
}

/** Whether a process of this id exists, one of another user included. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
