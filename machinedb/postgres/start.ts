import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { LockHeldError, takeLock } from '../lock.ts';
import { type Binaries, choose, inspect, machineDirectories } from './binaries.ts';
import { bundleBinaries, findBundle, prepareBundle } from './bundled.ts';
import { clusterVersion, createCluster, resetPassword } from './cluster.ts';
import { type Home, makeShared, openHome, socketDirectory } from './home.ts';
import type { Log } from './log.ts';
import { makePassword, readPassword } from './password.ts';
import { connectionString, spawnPostmaster, waitUntilReady } from './postmaster.ts';
import { removeLockFiles, stopProcesses } from './processes.ts';
import { supervise } from './supervise.ts';

export interface OwnPostgresOptions {
  /** The state directory, absolute and opened (see openState). */
  readonly state: string;
  readonly log: Log;
  /** PATH, for PostgreSQL in an unusual place. */
  readonly path?: string;
  /** Directories of the machine's PostgreSQL programs instead of those found; `[]` leaves npm's. */
  readonly machineBinaries?: string[];
  /** Where databases and programs lie when started as root; PostgreSQL's user must be able to pass through it. */
  readonly shared?: string;
  /** Ends a start that is under way, leaving nothing running. */
  readonly signal?: AbortSignal;
}

export interface OwnPostgres {
  /** Connection string of the database, as superuser, over a Unix socket; the same after every restart. */
  readonly url: string;
  /** PostgreSQL's major version. */
  readonly version: number;
  /** Shuts the server down with all its processes; may be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts the daemon's own PostgreSQL, making its database when there is none, and starts it again whenever it dies.
 * What a killed predecessor left running is stopped first.
 *
 * @throws Error naming the cause and the way out: no fitting PostgreSQL, or one that does not start
 */
export async function startOwnPostgres(options: OwnPostgresOptions): Promise<OwnPostgres> {
  const { state, log, shared = '/var/lib/machinedb' } = options;
  const home = openHome(state, shared, log);
  const lock = await lockHome(home);
  const data = join(home.directory, 'data');
  const ending = new AbortController();
  const signal = AbortSignal.any([ending.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  let launched = false;
  try {
    const binaries = await findBinaries(options, home, shared);
    const password = await prepareCluster(binaries, home, join(state, 'postgres.password'), log, signal);
    const socket = socketDirectory(home);
    const connect = (database: string) => connectionString(socket, password, database);
    const launch = async (): Promise<ChildProcess> => {
      if ((await stopProcesses(data)) !== 'none') log.info(`stopped the PostgreSQL left running on ${data}`);
      signal.throwIfAborted();
      removeLockFiles(data, socket);
      launched = true;
      const child = spawnPostmaster(binaries, home, socket);
      await waitUntilReady(child, home, connect, log, signal);
      return child;
    };
    const settled = supervise(await launch(), launch, log, ending.signal);
    log.info(`PostgreSQL ${binaries.version} runs: programs in ${binaries.bin}, data in ${data}`);
    const stop = async () => {
      ending.abort();
      await settled();
      await stopProcesses(data);
      lock.release();
    };
    let stopped: Promise<void> | undefined;
    return {
      url: connect('machinedb'),
      version: binaries.version,
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    if (launched) await stopProcesses(data);
    lock.release();
    throw error;
  }
}

/** Copies of a state directory share their database through its link: the state directory's own lock is not enough. */
async function lockHome({ directory }: Home): Promise<{ release(): void }> {
  try {
    return await takeLock(join(directory, 'lock'));
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const holder = error.pid === undefined ? '' : ` (process ${error.pid})`;
    throw new Error(
      `The database in ${directory} is in use by another MachineDB${holder}. ` +
        'Stop that one first, or set MACHINEDB_STATE to another directory.',
    );
  }
}

async function findBinaries(options: OwnPostgresOptions, home: Home, shared: string): Promise<Binaries> {
  const machine = await inspect(options.machineBinaries ?? machineDirectories(options.path ?? ''), home.account);
  const bundle = findBundle();
  const bundled = bundle && bundleBinaries(bundle);
  const data = join(home.directory, 'data');
  const version = clusterVersion(data);
  const chosen = choose(machine, bundled, version === undefined ? undefined : { directory: data, version });
  if (bundle === undefined || chosen !== bundled) return chosen;
  if (home.account !== undefined) makeShared(shared);
  const copies = home.account === undefined ? home.directory : shared;
  return { ...chosen, bin: await prepareBundle(bundle, home.account, copies) };
}

/** Makes what of database and password is missing; gives the password. */
async function prepareCluster(
  binaries: Binaries,
  home: Home,
  passwordFile: string,
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  const data = join(home.directory, 'data');
  const known = readPassword(passwordFile);
  const exists = clusterVersion(data) !== undefined;
  const password = known ?? makePassword(passwordFile);
  if (!exists) {
    log.info(`making a PostgreSQL ${binaries.version} database in ${data}`);
    await createCluster(binaries, home, password, signal);
  } else if (known === undefined) {
    log.warn(`${passwordFile} is missing: setting a new password`);
    await stopProcesses(data);
    removeLockFiles(data, socketDirectory(home));
    await resetPassword(binaries, home, password);
  }
  return password;
}
