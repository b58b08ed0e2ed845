import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import { backUp } from '../backup/backup.ts';
import type { Head } from '../backup/format.ts';
import { checkBackup, restore } from '../backup/restore.ts';
import { Servers } from '../failover/servers.ts';
import { writerClient } from '../failover/writer-client.ts';
import { migrations } from '../migrate.ts';
import { startOwnPostgres } from '../postgres/start.ts';
import { ownUrl } from '../postgres/url.ts';
import { openState } from '../state.ts';
import { readKek } from '../trust/seal.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import type { Terminal } from './run.ts';

const usage = `usage: machinedb backup FILE [--json]
       machinedb restore FILE [--check] [--json]

backup   writes the whole database as it is at one instant into a new file, while daemons go on
restore  fills an empty database from it; --check only reads the file and checks all counts and digests in it

The database is DATABASE_URL's, or that of the state directory MACHINEDB_STATE (./.machinedb). The key-encryption key
(kek in the state directory, or MACHINEDB_KEK_FILE) is in no backup: keep a copy of it at another place.`;

type Environment = Record<string, string | undefined>;

/** `machinedb backup` and `machinedb restore`: they speak to the database itself, and need no daemon. */
export async function runBackup(argv: string[], environment: Environment, terminal: Terminal): Promise<void> {
  const { positionals, own } = parseFlags(argv, new Map(), {
    ...{ check: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (own.help === true) return terminal.out(usage);
  const [command, name, ...more] = positionals;
  if (name === undefined || more.length > 0 || (own.check === true && command !== 'restore'))
    throw new Failure(usage, exitCodes.usage);
  const file = resolve(name);
  if (own.check === true) return say(terminal, own.json, 'is whole', file, await checkBackup(file), environment);
  await withDatabase(environment, command === 'restore', async (client) => {
    if (command === 'backup')
      say(terminal, own.json, 'is written', file, await backUp(client, file, Date.now()), environment);
    else say(terminal, own.json, 'is restored', file, await restore(client, file, migrations()), environment);
  });
}

function say(
  terminal: Terminal,
  json: unknown,
  what: string,
  file: string,
  { head, rows, size }: { head: Head; rows: number; size?: number },
  environment: Environment,
): void {
  const { made_at, epoch, keks, tables } = head;
  if (json === true) {
    const summary = {
      file,
      made_at,
      epoch,
      tables: tables.length,
      rows,
      ...(size === undefined ? {} : { size }),
      keks,
    };
    terminal.out(JSON.stringify(summary, null, 2));
    return;
  }
  terminal.out(`${file} ${what}: ${tables.length} tables with ${rows} rows, as of ${made_at}`);
  terminal.note(
    `Its secrets are sealed with key-encryption key ${keks.join(', ') || '(none)'}, which is not in it. ${keyAdvice(keks, environment)}`,
  );
  if (what === 'is restored')
    terminal.note(
      'The fleet is on hold, and cursors of the old history are over. Start the daemon, look at the installs that are asked for, and end the hold: machinedb hold-fleet --no-hold --reason TEXT',
    );
}

/** Whether the key is where a daemon with these settings looks for it. */
function keyAdvice(keks: string[], environment: Environment): string {
  const file = environment.MACHINEDB_KEK_FILE ?? join(environment.MACHINEDB_STATE ?? './.machinedb', 'kek');
  const here = readKek(file)?.id;
  if (here !== undefined && keks.every((id) => id === here))
    return `That key is in ${file}: keep a copy at another place than the backup; without it the secrets are lost.`;
  return `${here === undefined ? `There is no key in ${file}` : `The key in ${file} is ${here}, another`}: put the right one there before a daemon starts.`;
}

/** Statements have no time limit here, and a restore checks foreign keys for long without a word. */
const SILENCE_MS = 3_600_000;

async function withDatabase(
  environment: Environment,
  fill: boolean,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const { url, close } = await openDatabase(environment, fill);
  try {
    const client = new (writerClient(new Servers(url), { connectMs: 10_000, silenceMs: SILENCE_MS }))({
      application_name: 'machinedb backup',
    });
    await client.connect();
    try {
      await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  } finally {
    await close();
  }
}

/** The state directory's own PostgreSQL is started for the time when no daemon runs it. */
async function openDatabase(environment: Environment, fill: boolean): Promise<{ url: string; close(): Promise<void> }> {
  const { DATABASE_URL: url } = environment;
  if (url !== undefined) return { url, close: async () => undefined };
  const path = resolve(environment.MACHINEDB_STATE ?? './.machinedb');
  if (!fill && !existsSync(join(path, 'postgres')))
    throw new Failure(`there is no database in ${path}: set DATABASE_URL, or MACHINEDB_STATE to a state directory`);
  const state = await openState(path).catch((error: Error) => error);
  if (state instanceof Error) {
    const running = existsSync(path) ? ownUrl(realpathSync(path)) : undefined;
    if (running === undefined) throw state;
    return { url: running, close: async () => undefined };
  }
  const log = { info: () => undefined, warn: () => undefined };
  try {
    const postgres = await startOwnPostgres({ state: state.directory, log, path: environment.PATH ?? '' });
    const close = async () => {
      await postgres.stop();
      state.close();
    };
    return { url: postgres.url, close };
  } catch (error) {
    state.close();
    throw error;
  }
}
