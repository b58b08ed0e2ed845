// Runs what startOwnPostgres and openState give until SIGTERM, as the daemon does; start.test.ts kills it.
import { openState } from '../state.ts';
import { type OwnPostgresOptions, startOwnPostgres } from './start.ts';

const { state: path, ...options } = JSON.parse(process.argv[2] ?? '') as Omit<OwnPostgresOptions, 'log'>;
const log = { info: () => undefined, warn: () => undefined };
try {
  const state = await openState(path);
  const postgres = await startOwnPostgres({ ...options, state: state.directory, log });
  const alive = setInterval(() => undefined, 60_000);
  process.on('SIGTERM', async () => {
    await postgres.stop();
    state.close();
    clearInterval(alive);
  });
  console.log(JSON.stringify({ url: postgres.url, version: postgres.version }));
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
}
