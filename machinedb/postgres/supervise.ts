import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.ts';

/** Milliseconds before the first restart and, doubling, at most. */
const delays = { first: 200, most: 30_000 };

/**
 * Starts the postmaster again, with `launch`, whenever it ends by itself, until `ending` is aborted.
 *
 * @returns a function that waits until no restart is under way
 */
export function supervise(
  child: ChildProcess,
  launch: () => Promise<ChildProcess>,
  log: Log,
  ending: AbortSignal,
): () => Promise<void> {
  let restarting = Promise.resolve();
  const watch = (running: ChildProcess) => {
    const ended = () => {
      if (ending.aborted) return;
      log.warn(`PostgreSQL ended by itself (${running.signalCode ?? `status ${running.exitCode}`}); starting it again`);
      restarting = restart();
    };
    if (running.exitCode !== null || running.signalCode !== null) ended();
    else running.once('exit', ended);
  };
  const restart = async () => {
    for (let delay = delays.first; ; delay = Math.min(2 * delay, delays.most)) {
      try {
        await sleep(delay, undefined, { signal: ending });
        watch(await launch());
        return;
      } catch (error) {
        if (ending.aborted) return;
        log.warn((error as Error).message);
      }
    }
  };
  watch(child);
  return () => restarting;
}
