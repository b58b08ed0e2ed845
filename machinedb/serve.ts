import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { startOwnPostgres } from './postgres/start.ts';
import { openState, type State } from './state.ts';

export interface Serving {
  daemon: Daemon;
  state: State;
  /** Aborted by the signal that ends the program. */
  signal: AbortSignal;
  /** What is to be done at the end, the last first, before the daemon itself is closed. */
  atEnd(step: () => Promise<void> | void): void;
}

/**
 * Runs one daemon, with a PostgreSQL of its own unless the configuration names another, from here to SIGINT or SIGTERM;
 * `ready` is called when it listens. All is stopped in order, whatever fails. The whole of a program: it ends the process.
 */
export async function serve(
  config: Config,
  log: Logger,
  path: string,
  ready: (serving: Serving) => Promise<void>,
): Promise<never> {
  const ending = new AbortController();
  const { signal } = ending;
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => ending.abort(new Error(name)));
  const steps: (() => Promise<void> | void)[] = [];
  try {
    const state = await openState(config.stateDirectory);
    steps.push(() => state.close());
    const databaseUrl = config.databaseUrl ?? (await ownDatabase(state, log, path, signal, steps));
    const daemon = await startDaemon({ config, databaseUrl, stateDirectory: state.directory, log });
    steps.push(() => daemon.close());
    await ready({ daemon, state, signal, atEnd: (step) => steps.push(step) });
    await stopped;
  } catch (error) {
    if (!signal.aborted) {
      process.exitCode = 1;
      process.stderr.write(`machinedb: ${(error as Error).message}\n`);
    }
  }
  for (const step of steps.reverse()) await step();
  process.exit();
}

async function ownDatabase(
  state: State,
  log: Logger,
  path: string,
  signal: AbortSignal,
  steps: (() => Promise<void> | void)[],
): Promise<string> {
  const postgres = await startOwnPostgres({ state: state.directory, log, path, signal });
  steps.push(() => postgres.stop());
  return postgres.url;
}
