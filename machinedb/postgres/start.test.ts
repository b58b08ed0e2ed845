import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readableClone } from '../testing/readable-clone.ts';
import { serviceAccount } from './account.ts';
import { findBundle, prepareBundle } from './bundled.ts';
import { processesOf, stopProcesses } from './processes.ts';
import { type OwnPostgresOptions, startOwnPostgres } from './start.ts';

vi.setConfig({ testTimeout: 30_000 });
const root = process.getuid?.() === 0;
const log = { info: () => undefined, warn: () => undefined };

/** As root: 0700, as a clone that only root can enter; what PostgreSQL's user must enter is beside it. */
let closed: string;
let shared: string;
let children: ChildProcess[];
beforeEach(() => {
  closed = mkdtempSync(join(tmpdir(), 'own-postgres-'));
  shared = mkdtempSync(join(tmpdir(), 'own-shared-'));
  chmodSync(shared, 0o755);
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  const homes = [join(closed, 'state/postgres'), ...readdirSync(shared).map((name) => join(shared, name))];
  for (const home of homes) if (existsSync(join(home, 'data'))) await stopProcesses(join(home, 'data'));
  for (const directory of [closed, shared]) rmSync(directory, { recursive: true, maxRetries: 20 });
});

function stateDirectory(): string {
  mkdirSync(join(closed, 'state'), { recursive: true, mode: 0o700 });
  return join(closed, 'state');
}

const start = (more: Partial<OwnPostgresOptions> = {}) =>
  startOwnPostgres({ state: stateDirectory(), shared, log, ...more });

/** The same in another process, which can be killed. */
async function startElsewhere(uid: number | undefined, more: Partial<OwnPostgresOptions> = {}) {
  const options = JSON.stringify({ state: join(closed, 'state'), shared, ...more });
  const clone = uid === undefined ? join(import.meta.dirname, '../..') : readableClone(uid);
  const node =
    uid === undefined
      ? process.execPath
      : join(clone, relative(join(import.meta.dirname, '../..'), realpathSync(process.execPath)));
  const child = spawn(node, [join(clone, 'machinedb/postgres/start.fixture.ts'), options], {
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, ...(JSON.parse(line) as { url: string; version: number; error?: string }) };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const data = () => join(realpathSync(join(closed, 'state/postgres')), 'data');
const postmaster = () => Number.parseInt(readFileSync(join(data(), 'postmaster.pid'), 'utf8'), 10);

test('the first start makes a durable database, a later one finds it, and stop leaves nothing running', async () => {
  const first = await start();
  await ask(first.url, 'CREATE EXTENSION btree_gist');
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  expect(
    await ask(
      first.url,
      `SELECT current_setting('fsync'), current_setting('data_checksums'), current_setting('listen_addresses'),
         pg_encoding_to_char(encoding), 'a' < 'B' COLLATE "default" FROM pg_database WHERE datname = current_database()`,
    ),
  ).toEqual(['on', 'on', '', 'UTF8', false]);
  await expect(ask(first.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(
    'password authentication failed for user "machinedb"',
  );
  await Promise.all([first.stop(), first.stop()]);
  expect(processesOf(data())).toEqual([]);
  const second = await start();
  expect(second).toMatchObject({ url: first.url, version: first.version });
  expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([42]);
  await second.stop();
});

test('the orphan of a killed MachineDB is stopped, and what was acknowledged is there', async () => {
  const { child, url } = await startElsewhere(undefined);
  await ask(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const orphan = postmaster();
  await kill(child, 'SIGKILL');
  expect(processesOf(data())).toContain(orphan);
  const next = await start();
  expect(processesOf(data())).not.toContain(orphan);
  expect(await ask(next.url, 'SELECT answer FROM kept')).toEqual([42]);
  await next.stop();
});

test('after kill -9 of both, with a backend that outlives them and a process id in use again, the start recovers', async () => {
  const { child, url } = await startElsewhere(undefined);
  await ask(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const busy = ask(url, 'DO $$ BEGIN LOOP END LOOP; END $$').catch(() => undefined);
  await vi.waitUntil(async () => (await ask(url, "SELECT 1 FROM pg_stat_activity WHERE query ~ '^DO'")).length > 0);
  await kill(child, 'SIGKILL');
  process.kill(postmaster(), 'SIGKILL');
  await sleep(200);
  expect(processesOf(data()).length).toBeGreaterThan(0);
  const bystander = spawn('sleep', ['60'], root ? serviceAccount(log) : {});
  children.push(bystander);
  const pidFile = join(data(), 'postmaster.pid');
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(bystander.pid)));
  const next = await start();
  await busy;
  expect(await ask(next.url, 'SELECT answer FROM kept')).toEqual([42]);
  expect(bystander.exitCode).toBeNull();
  await next.stop();
});

test('a postmaster that dies under a living MachineDB is started again', async () => {
  const own = await start();
  process.kill(postmaster(), 'SIGKILL');
  await vi.waitFor(async () => expect(await ask(own.url, 'SELECT 1')).toEqual([1]), { timeout: 10_000, interval: 100 });
  await own.stop();
  expect(processesOf(data())).toEqual([]);
});

test('a database half made when the power failed is made again', async () => {
  const began = startElsewhere(undefined);
  const home = () => (existsSync(join(closed, 'state/postgres')) ? readdirSync(join(closed, 'state/postgres')) : []);
  await vi.waitUntil(() => home().some((name) => name.startsWith('data.new.')), { timeout: 5000, interval: 5 });
  for (const child of children) await kill(child, 'SIGKILL');
  began.catch(() => undefined);
  expect(home()).not.toContain('data');
  const next = await start();
  expect(await ask(next.url, 'SELECT 1')).toEqual([1]);
  await next.stop();
});

test("npm's PostgreSQL makes a database where the machine has none, and goes on with it where it has", async () => {
  const first = await start({ machineBinaries: [] });
  expect(first.version).toBe(18);
  await ask(first.url, 'CREATE EXTENSION btree_gist');
  await first.stop();
  const second = await start();
  expect(second.version).toBe(18);
  await second.stop();
});

test('data of a version that is not there is refused and left alone', async () => {
  await (await start({ machineBinaries: [] })).stop();
  writeFileSync(join(data(), 'PG_VERSION'), '14\n');
  const bin = join(findBundle()?.directory ?? '', 'native/bin');
  await expect(start({ machineBinaries: [] })).rejects.toThrow(
    new Error(
      `The database in ${data()} was made by PostgreSQL 14, which was not found (found: 18 in ${bin}). ` +
        'Install it (Debian: apt-get install postgresql-14), ' +
        'or run that version elsewhere on this data and set DATABASE_URL, ' +
        'or set MACHINEDB_STATE to another directory to begin an empty database.',
    ),
  );
});

test('a second start on the same database is refused, and the first lives on', async () => {
  const own = await start();
  await expect(start()).rejects.toThrow(
    new Error(
      `The database in ${realpathSync(join(closed, 'state/postgres'))} is in use by another MachineDB ` +
        `(process ${process.pid}). Stop that one first, or set MACHINEDB_STATE to another directory.`,
    ),
  );
  expect(await ask(own.url, 'SELECT 1')).toEqual([1]);
  await own.stop();
});

test('a lost password is replaced, a wrong one told with the way out, a broken start with its cause', async () => {
  await (await start()).stop();
  const file = join(closed, 'state/postgres.password');
  writeFileSync(file, 'of-another-database\n');
  await expect(start()).rejects.toThrow(
    new Error(
      `PostgreSQL in ${realpathSync(join(closed, 'state/postgres'))} refuses the password in the state directory's ` +
        'postgres.password: they do not belong together. Remove that file and start again, and a new password is set.',
    ),
  );
  rmSync(file);
  const own = await start();
  expect(await ask(own.url, 'SELECT 1')).toEqual([1]);
  await own.stop();
  writeFileSync(join(data(), 'postgresql.auto.conf'), "shared_buffers = 'plenty'\n");
  const home = realpathSync(join(closed, 'state/postgres'));
  await expect(start()).rejects.toThrow(
    new Error(
      `PostgreSQL did not start: configuration file "${join(data(), 'postgresql.auto.conf')}" contains errors. ` +
        `Its log is in ${join(home, 'log')}.`,
    ),
  );
});

test('an aborted start leaves nothing running, be it at initdb or at the server', async () => {
  for (const milliseconds of [150, 20]) {
    const controller = new AbortController();
    const starting = start({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error('Ctrl-C')), milliseconds);
    await expect(starting).rejects.toThrow('Ctrl-C');
    if (milliseconds === 150) await (await start()).stop();
    // A killed process is seen until the kernel has buried it.
    await expect.poll(() => processesOf(data()), { timeout: 5_000 }).toEqual([]);
  }
});

test.runIf(root)('a state directory made anew begins an empty database and leaves the old one alone', async () => {
  await (await start()).stop();
  const old = data();
  rmSync(join(closed, 'state'), { recursive: true });
  const next = await start();
  expect(data()).toBe(join(`${old.slice(0, -'/data'.length)}-2`, 'data'));
  expect(existsSync(old)).toBe(true);
  await next.stop();
});

test.runIf(root)("PostgreSQL's user gets a copy of npm's programs from a clone that only root can enter", async () => {
  const bundle = findBundle();
  if (bundle === undefined) throw new Error('run npm ci');
  cpSync(join(bundle.directory, 'native'), join(closed, 'bundle/native'), { recursive: true, verbatimSymlinks: true });
  const hidden = { directory: join(closed, 'bundle'), release: bundle.release };
  const account = serviceAccount(log);
  const bin = join(shared, `postgresql-${bundle.release}/native/bin`);
  mkdirSync(join(shared, `postgresql-${bundle.release}.4194305/native`), { recursive: true });
  expect(await prepareBundle(hidden, account, shared)).toBe(bin);
  expect(readdirSync(shared)).toEqual([`postgresql-${bundle.release}`]);
  expect(await prepareBundle(hidden, account, shared)).toBe(bin);
  expect(await prepareBundle(hidden, undefined, shared)).toBe(join(closed, 'bundle/native/bin'));
});

const nobody = 65534;
test.runIf(root)('an ordinary user has it all in the state directory, at whatever length of path', async () => {
  chownSync(closed, nobody, nobody);
  const state = join(closed, 'x'.repeat(90));
  const first = await startElsewhere(nobody, { state });
  expect(decodeURIComponent(first.url)).toContain(`host=/tmp/machinedb-${nobody}-`);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  expect(readdirSync(shared)).toEqual([]);
  const refused = await startElsewhere(nobody, { state });
  expect(refused.error).toBe(
    `The state directory ${state} is in use by another MachineDB (process ${first.child.pid}). ` +
      'Stop that one first, or set MACHINEDB_STATE to another directory.',
  );
  await kill(first.child, 'SIGKILL');
  const second = await startElsewhere(nobody, { state });
  expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([42]);
  await kill(second.child, 'SIGTERM');
  expect(processesOf(join(state, 'postgres/data'))).toEqual([]);
  rmSync(new URL(second.url).searchParams.get('host') ?? '', { recursive: true });
});
