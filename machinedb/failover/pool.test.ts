import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openDb, transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { openFeedReader } from '../feed/feed-reader.ts';
import { toDatabaseProblem } from '../http/database-problem.ts';
import { migrate } from '../migrate.ts';
import { type OwnPostgres, startOwnPostgres } from '../postgres/start.ts';
import { openState } from '../state.ts';

vi.setConfig({ testTimeout: 60_000 });
const log = { info: () => undefined, warn: () => undefined };
const directory = mkdtempSync(join(tmpdir(), 'machinedb-failover-'));
chmodSync(directory, 0o755);
const servers: OwnPostgres[] = [];
const states: { close(): void }[] = [];

/** Says something to one server. */
async function say(server: OwnPostgres, ...texts: string[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    let rows: unknown[] = [];
    for (const text of texts) rows = (await client.query({ text, rowMode: 'array' })).rows.flat();
    return rows;
  } finally {
    await client.end();
  }
}

/** As when a primary is demoted: what was connected is cut off, and what connects can only read. */
async function demote(server: OwnPostgres): Promise<void> {
  await say(server, 'alter system set default_transaction_read_only = on', 'select pg_reload_conf()');
  await say(
    server,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'machinedb%' and pid <> pg_backend_pid()`,
  );
}

async function promote(server: OwnPostgres): Promise<void> {
  await say(server, 'set default_transaction_read_only = off', 'alter system reset default_transaction_read_only');
  await say(server, 'select pg_reload_conf()');
}

/** The two servers as one URL, with a password that both take. */
function both(): string {
  const [a, b] = servers.map(({ url }) => new URL(url));
  const hosts = [a!, b!].map((url) => url.searchParams.get('host')).join(',');
  return `postgresql://machinedb:same@localhost/machinedb?host=${hosts}&target_session_attrs=read-write`;
}

beforeAll(async () => {
  for (const name of ['a', 'b']) {
    const state = await openState(join(directory, name));
    states.push(state);
    const server = await startOwnPostgres({
      state: state.directory,
      log,
      path: process.env.PATH ?? '',
      shared: join(directory, 'shared'),
    });
    await say(server, `alter role machinedb password 'same'`);
    servers.push(Object.assign(server, { url: server.url.replace(/:[^:@]+@/, ':same@') }));
  }
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  for (const state of states) state.close();
  rmSync(directory, { recursive: true, force: true });
});

const open = (statementTimeoutMs = 5_000) => openDb({ url: both(), max: 4, statementTimeoutMs, onError: () => {} });
const problemOf = async (work: Promise<unknown>) =>
  toDatabaseProblem(
    await work.then(
      () => ({}),
      (error: unknown) => error,
    ),
  );

test('102 connections go to the server that takes writes, and to the other when that one was demoted', async () => {
  const [a, b] = servers as [OwnPostgres, OwnPostgres];
  for (const server of servers) await say(server, 'create table place as select inet_server_port() as port, 0 as n');
  await say(a, `update place set n = 1`);
  await say(b, `update place set n = 2`);
  await demote(b);
  const db = open();
  const where = async () => (await sql<{ n: number }>`update place set n = n returning n`.execute(db)).rows[0]!.n;
  expect(await where()).toBe(1);
  await demote(a);
  const problem = await problemOf(where());
  expect([problem?.status, problem?.retryAfter, problem?.message]).toEqual([
    503,
    2,
    'the database does not answer: try again',
  ]);
  await promote(b);
  expect(await where()).toBe(2);
  await db.destroy();
  await promote(a);
});

test('99 what is cut off in the middle of a transaction fails with 503, and its connection is not used again', async () => {
  const db = open();
  const cut = transaction(db, async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    await say(servers[0]!, `select pg_terminate_backend(${rows[0]!.pid})`);
    await sql`create table never ()`.execute(tx);
  });
  const problem = await problemOf(cut);
  expect([problem?.status, problem?.retryAfter]).toEqual([503, 2]);
  expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  await db.destroy();
});

test('105 a daemon that stood still in the middle of a write is fenced: others go on, and it learns that it failed', async () => {
  const [still, other] = [open(500), open(5_000)];
  const lock = sql`select pg_advisory_xact_lock(7100, 1)`;
  const held = transaction(still, async (tx) => {
    await lock.execute(tx);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await sql`create table never ()`.execute(tx);
  });
  const failed = problemOf(held);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await transaction(other, (tx) => lock.execute(tx));
  expect([(await failed)?.status, (await failed)?.retryAfter]).toEqual([503, 2]);
  expect((await sql`select 1 as one`.execute(still)).rows).toEqual([{ one: 1 }]);
  await Promise.all([still.destroy(), other.destroy()]);
});

test('105 a server that stands still is given up, and its connection with it', async () => {
  const db = open(300);
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
  const { pid } = rows[0]!;
  process.kill(pid, 'SIGSTOP');
  try {
    const begun = performance.now();
    const problem = await problemOf(sql`select 1`.execute(db));
    expect([problem?.status, problem?.retryAfter]).toEqual([503, 2]);
    // The statement's time limit, and 5 s.
    expect(performance.now() - begun).toBeGreaterThan(5_000);
    expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await db.destroy();
});

test('a commit that its standbys do not have is not acknowledged, whatever cuts the wait short', async () => {
  const [a] = servers as [OwnPostgres];
  await say(a, 'create table kept (n int)');
  await say(a, `alter system set synchronous_standby_names = 'nobody'`, 'select pg_reload_conf()');
  const db = open(300);
  const waiting = `select count(*)::int from pg_stat_activity where wait_event = 'SyncRep'`;
  const commit = transaction(db, (tx) => sql`insert into kept values (1)`.execute(tx));
  const single = sql`insert into kept values (2)`.execute(db);
  const ends = Promise.all([problemOf(commit), problemOf(single)]);
  await expect.poll(() => say(a, waiting), { timeout: 20_000 }).toEqual([2]);
  // The time limit of statements is no limit of this wait.
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(await say(a, waiting)).toEqual([2]);
  await say(a, `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`);
  expect((await ends).map((problem) => [problem?.status, problem?.retryAfter])).toEqual([
    [503, 2],
    [503, 2],
  ]);
  await say(a, 'alter system reset synchronous_standby_names', 'select pg_reload_conf()');
  expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  await db.destroy();
});

test('whoever listens goes on at the new primary by itself, where it hears at once', async () => {
  const [a, b] = servers as [OwnPostgres, OwnPostgres];
  const db = open();
  await migrate(db);
  const feed = openFeedReader(db, await openEpoch(db), both(), pino({ level: 'silent' }));
  const listening = (server: OwnPostgres) =>
    say(server, `select count(*)::int from pg_stat_activity where application_name = 'machinedb feed'`);
  await expect.poll(() => listening(a), { timeout: 20_000 }).toEqual([1]);
  await demote(a);
  await expect.poll(() => listening(b), { timeout: 20_000 }).toEqual([1]);
  let heard = 0;
  feed.subscribe(() => heard++);
  for (let i = 0; i < 20; i++) await say(b, `notify machinedb_feed`);
  // The poll alone would call once a second.
  await expect.poll(() => heard, { timeout: 2_000 }).toBeGreaterThanOrEqual(20);
  await feed.close();
  await db.destroy();
  await promote(a);
});
