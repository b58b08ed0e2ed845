// The central daemon alone: what a service manager starts. npm start (start.ts) adds this machine's agent.
import { pino } from 'pino';
import { readConfig } from './config.ts';
import { startDaemon } from './daemon.ts';
import { startOwnPostgres } from './postgres/start.ts';
import { openState } from './state.ts';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = pino({ level: config.logLevel });
  const ending = new AbortController();
  const stopped = new Promise<void>((resolve) =>
    ending.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort(new Error(signal)));

  const state = await openState(config.stateDirectory);
  const cleanUp: (() => Promise<void> | void)[] = [() => state.close()];
  try {
    let databaseUrl = config.databaseUrl;
    if (databaseUrl === undefined) {
      const postgres = await startOwnPostgres({
        state: state.directory,
        log,
        path: process.env.PATH ?? '',
        signal: ending.signal,
      });
      cleanUp.push(() => postgres.stop());
      databaseUrl = postgres.url;
    }
    const daemon = await startDaemon({ config, databaseUrl, stateDirectory: state.directory, log });
    cleanUp.push(() => daemon.close());
    log.info({ url: daemon.url, pins: daemon.pins }, 'listening');
    await stopped;
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`machinedb: ${(error as Error).message}\n`);
  process.exit(1);
}
