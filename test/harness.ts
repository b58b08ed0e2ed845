import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { type Connection, connect, readConnection } from '../machinedb/cli/connect.ts';
import type { Call, Operation, Reply } from '../shared/api.ts';
import type { CallHeaders, Client } from '../shared/client.ts';
import { surroundings } from './program.ts';

const root = join(import.meta.dirname, '..');

export interface DaemonProcess {
  url: string;
  pins: string[];
  stateDirectory: string;
  process: ChildProcess;
  /** What it logged, a line each. */
  log: string[];
  client: Client;
  connection: Connection;
}

export interface Harness {
  databaseUrl: string;
  daemons: [DaemonProcess, DaemonProcess];
  /** Calls the API, each request on the other daemon than the one before. */
  call<O extends Operation>(operation: O, call: Call<O>, headers?: CallHeaders): Promise<Reply<O>>;
  /** Ends a daemon without warning (SIGKILL) and waits until it is gone. */
  kill(index: 0 | 1): Promise<void>;
  /** Starts a daemon again on its state directory and its port, with these settings besides its own. */
  /** @param environment settings besides; undefined takes one away */
  start(index: 0 | 1, environment?: NodeJS.ProcessEnv): Promise<void>;
  directory: string;
  close(): Promise<void>;
}

export interface HarnessOptions {
  /** Settings of both daemons besides the defaults of the tests. */
  environment?: Record<string, string>;
  /** Host that the daemons listen on. */
  host?: string;
  /** Another database than a fresh one on the test run's PostgreSQL. */
  databaseUrl?: string;
  /** State directory whose key-encryption key the database's secrets are sealed with. */
  kekFrom?: string;
  /** Program and arguments before the daemons' own: `ip netns exec NAME`. What is in there only its commands reach. */
  inside?: string[];
  /** Settings of the first daemon alone. */
  first?: Record<string, string>;
}

/** The default of all tests over HTTP: two daemons with separate state directories on one PostgreSQL, TLS on. */
export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-harness-'));
  const database =
    options.databaseUrl === undefined ? await createDatabase() : { url: options.databaseUrl, drop: async () => {} };
  const ports: [number, number] = [0, 0];
  const start = async (index: 0 | 1, more: NodeJS.ProcessEnv = {}) => {
    const stateDirectory = join(directory, `state${index}`);
    mkdirSync(stateDirectory, { mode: 0o700, recursive: true });
    // The second daemon gets the key-encryption key as an operator would give it: a copy of the first one's file.
    const kekFrom = index === 1 ? join(directory, 'state0') : options.kekFrom;
    if (kekFrom !== undefined) copyFileSync(join(kekFrom, 'kek'), join(stateDirectory, 'kek'));
    const daemon = await startProcess(stateDirectory, options.inside ?? [], {
      ...defaults,
      ...options.environment,
      ...(index === 0 ? options.first : {}),
      ...more,
      DATABASE_URL: database.url,
      MACHINEDB_LISTEN: `${options.host ?? '127.0.0.1'}:${ports[index]}`,
      MACHINEDB_STATE: stateDirectory,
    });
    ports[index] = Number(new URL(daemon.url).port);
    return daemon;
  };
  const daemons: [DaemonProcess, DaemonProcess] = [await start(0), await start(1)];
  let turn = 0;
  return {
    databaseUrl: database.url,
    daemons,
    directory,
    call: (operation, call, headers) => daemons[turn++ % 2]!.client.call(operation, call, headers),
    kill: (index) => end(daemons[index].process, 'SIGKILL'),
    start: async (index, environment) => {
      daemons[index] = await start(index, environment);
    },
    close: async () => {
      await Promise.all(daemons.map((daemon) => end(daemon.process, 'SIGTERM')));
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Settings of the tests' daemons. */
export const defaults = {
  ...surroundings,
  MACHINEDB_HEARTBEAT_MS: '1000',
  MACHINEDB_TASK_MS: '200',
  MACHINEDB_LOG: 'info',
};

async function createDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const server = process.env.TEST_DATABASE_URL;
  if (server === undefined) throw new Error('TEST_DATABASE_URL is not set: run the tests by npm test');
  const name = `harness_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: server });
  admin.on('error', () => undefined);
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.toString(),
    drop: async () => {
      await admin.query(`drop database if exists ${name} with (force)`).catch(() => undefined);
      await admin.end().catch(() => undefined);
    },
  };
}

/** Starts one daemon, of this release or of another's `tree`; `inside` is the program and arguments before its own. */
export async function startProcess(
  stateDirectory: string,
  inside: string[],
  environment: NodeJS.ProcessEnv,
  tree = root,
): Promise<DaemonProcess> {
  const [program, ...args] = [...inside, process.execPath, join(tree, 'machinedb/main.ts')];
  const child = spawn(program!, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => log.push(line));
  const listening = Promise.withResolvers<{ url: string; pins: string[] }>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    log.push(line);
    if (line.includes('"msg":"listening"')) listening.resolve(JSON.parse(line) as { url: string; pins: string[] });
  });
  child.once('exit', (code) =>
    listening.reject(new Error(`the daemon ended with ${code}:\n${log.slice(-20).join('\n')}`)),
  );
  const { url, pins } = await listening.promise;
  const connection = readConnection({ MACHINEDB_URL: url, MACHINEDB_STATE: stateDirectory });
  return { url, pins, stateDirectory, process: child, log, connection, client: connect(connection) };
}

/** Ends a process, by force after 10 s. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(force);
}

/** Reads a file of a daemon's state directory. */
export function readState(daemon: DaemonProcess, file: string): string {
  return readFileSync(join(daemon.stateDirectory, file), 'utf8').trim();
}
