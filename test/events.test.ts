import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import type { FeedItem } from '../shared/api/feed-item.ts';
import { type DaemonProcess, type Harness, startHarness } from './harness.ts';

const harness = await startHarness();
afterAll(() => harness.close());

const WRITERS = 16;
const WRITES = 25;

interface Follower {
  items: FeedItem[];
  /** Cuts the connection without a word. */
  reset(): void;
  stop(): void;
}

/** Follows by WebSocket from the beginning, on either daemon, and goes on from its cursor whenever the connection ends. */
function follow(harness: Harness, start: 0 | 1): Follower {
  const items: FeedItem[] = [];
  let socket: WebSocket | undefined;
  let stopped = false;
  const connect = (turn: number) => {
    if (stopped) return;
    const daemon = harness.daemons[turn % 2]!;
    const cursor = items.at(-1)?.cursor;
    socket = open(daemon, cursor);
    socket.on('message', (data) => items.push(JSON.parse(String(data)) as FeedItem));
    socket.on('error', () => undefined);
    socket.on('close', () => setTimeout(() => connect(turn + 1), 50));
  };
  connect(start);
  return {
    items,
    reset: () => socket?.terminate(),
    stop() {
      stopped = true;
      socket?.terminate();
    },
  };
}

function open({ url, connection }: DaemonProcess, cursor: string | undefined): WebSocket {
  const target = new URL(`/v1/events${cursor === undefined ? '' : `?cursor=${cursor}`}`, url);
  target.protocol = 'wss:';
  return new WebSocket(target, { headers: { authorization: `Bearer ${connection.token}` }, ...tlsOptions(connection) });
}

test('16 writers on two daemons: readers miss nothing through resets and restarts, and see it in order', async () => {
  const followers = [follow(harness, 0), follow(harness, 1), follow(harness, 0), follow(harness, 1)];
  const resets = setInterval(() => followers[Math.floor(Math.random() * followers.length)]!.reset(), 150);
  const written: string[] = [];
  const write = async (writer: number) => {
    for (let i = 0; i < WRITES; i++) {
      const site = `w${writer}-${i}`;
      for (;;) {
        try {
          await harness.daemons[(writer + i) % 2]!.client.call(
            'putSite',
            { params: { site }, body: {} },
            { idempotencyKey: site },
          );
          written.push(`site/${site}`);
          break;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await harness.kill(1);
  await harness.start(1);
  await writers;
  clearInterval(resets);
  const all = (await harness.call('events', { query: { limit: 1000 } })).items;
  expect(
    all
      .filter(({ kind }) => kind === 'site.put')
      .map(({ subject }) => subject)
      .sort(),
  ).toEqual(written.sort());
  const expected = all.map(({ cursor }) => cursor);
  for (const follower of followers) {
    await expect.poll(() => follower.items.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(expected.length);
    expect(follower.items.slice(0, expected.length).map(({ cursor }) => cursor)).toEqual(expected);
    follower.stop();
  }
  const at = all.map((item) => item.at);
  expect(at).toEqual([...at].sort());
}, 60_000);

test('84: after dump and restore an old cursor gets 410, and its socket is closed with 4410', async () => {
  await harness.call('putSite', { params: { site: 'before' }, body: {} });
  const { cursor } = await harness.call('events', { query: { limit: 1000 } });
  const restored = await copyDatabase(harness.databaseUrl);
  const copy = await startHarness({ databaseUrl: restored.url, kekFrom: harness.daemons[0].stateDirectory });
  try {
    await expect(copy.call('events', { query: { cursor } })).rejects.toMatchObject({ status: 410, code: 'gone' });
    const code = await new Promise((resolve) =>
      open(copy.daemons[1], cursor)
        .on('close', resolve)
        .on('error', () => undefined),
    );
    expect(code).toBe(4410);
    const sites = (await copy.call('listSites', { query: { limit: 1000 } })).items.map(({ name }) => name);
    expect(sites).toContain('before');
  } finally {
    await copy.close();
    await restored.drop();
  }
}, 60_000);

/** A restored copy: by pg_dump and psql where this machine has them, else as PostgreSQL itself copies a database. */
async function copyDatabase(url: string): Promise<{ url: string; drop(): Promise<void> }> {
  const target = new URL(url);
  const source = target.pathname.slice(1);
  const name = `${source}_restored`;
  target.pathname = `/${name}`;
  const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
  await admin.connect();
  // pg_dump refuses a server that is newer than itself.
  const { rows } = await admin.query<{ major: string }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  const programs = [`/usr/lib/postgresql/${rows[0]!.major}/bin`].find((bin) => existsSync(`${bin}/pg_dump`));
  if (programs === undefined) {
    await Promise.all([harness.kill(0), harness.kill(1)]);
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${source}'`);
    await admin.query(`create database ${name} template ${source}`);
    await Promise.all([harness.start(0), harness.start(1)]);
  } else {
    await admin.query(`create database ${name}`);
    const dump = spawnSync(`${programs}/pg_dump`, [url], { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
    expect(dump.stderr).toBe('');
    const load = spawnSync(`${programs}/psql`, ['-q', '-v', 'ON_ERROR_STOP=1', target.toString()], {
      input: dump.stdout,
      encoding: 'utf8',
    });
    expect(load.stderr).toBe('');
  }
  return {
    url: target.toString(),
    async drop() {
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.end();
    },
  };
}
