import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Binaries } from './binaries.ts';
import { role } from './cluster.ts';
import type { Home } from './home.ts';
import type { Log } from './log.ts';
import { environment } from './run.ts';

/** The connection string, which both node-postgres and libpq's programs take. */
export function connectionString(socket: string, password: string, database: string): string {
  // A PGSSLMODE of the environment would otherwise ask for TLS on the Unix socket, where PostgreSQL has none.
  return `postgresql://${role}:${password}@localhost:5432/${database}?host=${encodeURIComponent(socket)}&sslmode=disable`;
}

/**
 * Starts the postmaster, on a Unix socket only: no port that could be taken or reached from elsewhere. It is the leader
 * of its own session, so that the terminal's Ctrl-C reaches us and not it. Tuning in the data directory's
 * postgresql.conf is respected; what is set here is not up to it.
 */
export function spawnPostmaster({ bin }: Binaries, { directory, account }: Home, socket: string): ChildProcess {
  const settings = {
    listen_addresses: '',
    port: '5432',
    unix_socket_directories: `"${socket.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    cluster_name: 'machinedb',
    // A week of log files, each overwritten after a week; it goes on when we are gone, as a pipe to us would not.
    logging_collector: 'on',
    log_destination: 'stderr',
    log_directory: join(directory, 'log'),
    log_filename: 'postgresql-%a.log',
    log_rotation_age: '1d',
    log_rotation_size: '0',
    log_truncate_on_rotation: 'on',
    log_timezone: 'UTC',
    timezone: 'UTC',
  };
  const parameters = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const log = openSync(join(directory, 'startup.log'), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    const child = spawn(join(bin, 'postgres'), ['-D', join(directory, 'data'), ...parameters], {
      ...account,
      cwd: directory,
      detached: true,
      env: environment,
      stdio: ['ignore', log, log],
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** SQLSTATE, or the system's code. */
function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

/**
 * Waits until the server accepts connections, however long its recovery takes, and makes the database when absent.
 *
 * @throws Error naming the cause when the postmaster ends or turns us away; the signal's reason when aborted
 */
export async function waitUntilReady(
  child: ChildProcess,
  home: Home,
  connect: (database: string) => string,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<void> {
  let failed: Error | undefined;
  child.on('error', (error) => {
    failed = error;
  });
  const start = performance.now();
  for (let told = 0; ; ) {
    signal?.throwIfAborted();
    if (failed !== undefined || child.exitCode !== null || child.signalCode !== null) {
      const cause = failed?.message ?? lastFatal(home.directory) ?? `exit ${child.exitCode ?? child.signalCode}`;
      throw new Error(`PostgreSQL did not start: ${cause}. Its log is in ${join(home.directory, 'log')}.`);
    }
    try {
      return await query(connect(role), 'SELECT');
    } catch (error) {
      const code = codeOf(error);
      if (code === '3D000') return await query(connect('postgres'), `CREATE DATABASE ${role}`);
      // Our own pools, which came back first, have taken every slot: it is ready.
      if (code === '53300') return;
      if (code === '28P01') throw new Error(wrongPassword(home));
      if (!['ENOENT', 'ECONNREFUSED', 'ECONNRESET', '57P03'].includes(code ?? '')) throw error;
    }
    const waited = performance.now() - start;
    const seconds = Math.floor(waited / 10_000) * 10;
    if (seconds > told) log.info(`waiting for PostgreSQL to recover (${seconds} s)`);
    told = seconds;
    // Each attempt during a recovery is a line in PostgreSQL's log.
    await sleep(Math.min(20 + waited / 10, 1000));
  }
}

function wrongPassword({ directory }: Home): string {
  return (
    `PostgreSQL in ${directory} refuses the password in the state directory's postgres.password: ` +
    'they do not belong together. Remove that file and start again, and a new password is set.'
  );
}

async function query(connectionString: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end();
  }
}

/** The last thing the server said before it gave up: on its standard error, or in its newest log file. */
function lastFatal(directory: string): string | undefined {
  const logs = join(directory, 'log');
  const files = readdirSync(directory).includes('log') ? readdirSync(logs).map((name) => join(logs, name)) : [];
  const newest = files.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs).slice(0, 1);
  for (const file of [join(directory, 'startup.log'), ...newest]) {
    const lines = readFileSync(file, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW }).split('\n');
    const fatal = lines.findLast((line) => /(FATAL|PANIC): /.test(line));
    if (fatal !== undefined) return fatal.replace(/^.*?(FATAL|PANIC): +/, '');
  }
  return undefined;
}
