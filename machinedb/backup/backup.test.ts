import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { migrations } from '../migrate.ts';
import { withDatabase } from '../testing/database.ts';
import { backUp } from './backup.ts';
import { checkBackup, restore } from './restore.ts';
import { sequencesOf, tablesOf } from './tables.ts';

const { db, url } = await withDatabase();
const directory = mkdtempSync(join(tmpdir(), 'machinedb-backup-'));
const clients: pg.Client[] = [];
const pidOf = async (each: pg.Client) => (await each.query('select pg_backend_pid() as pid')).rows[0].pid as number;
const connected = async (database: string, client = new pg.Client({ connectionString: database })) => {
  clients.push(client);
  await client.connect();
  return client;
};
const [client, admin] = [await connected(url), await connected(process.env.TEST_DATABASE_URL!)];
const made: string[] = [];
afterAll(async () => {
  await Promise.all(clients.filter((each) => each !== admin).map((each) => each.end().catch(() => undefined)));
  for (const name of made) await admin.query(`drop database if exists ${name} with (force)`);
  await admin.end();
  rmSync(directory, { recursive: true, force: true });
});

async function emptyDatabase(): Promise<string> {
  const name = `${new URL(url).pathname.slice(1)}_${made.length}`;
  await admin.query(`create database ${name}`);
  made.push(name);
  return Object.assign(new URL(url), { pathname: `/${name}` }).toString();
}

/** All rows of all tables, as text, and the sequences. */
async function contentOf(each: pg.Client) {
  const tables = await tablesOf(each);
  const rows: [string, unknown[]][] = [];
  for (const { name } of tables)
    rows.push([
      name,
      (await each.query(`select t::text as row from "${name}" t order by 1`)).rows.map(({ row }) => row),
    ]);
  return { tables: Object.fromEntries(rows), sequences: await sequencesOf(each) };
}

/** A client that does something before the first query of those that are meant. */
const actingBefore = (isMeant: (asked: unknown) => boolean, act: () => Promise<void>) =>
  new (class extends pg.Client {
    #done = false;
    // biome-ignore lint/suspicious/noExplicitAny: pg.Client declares it in eight forms
    override query: any = async (...asked: [never]) => {
      if (!this.#done && isMeant(asked[0])) {
        this.#done = true;
        await act();
      }
      return super.query(...asked);
    };
  })({ connectionString: url });

test('a restored copy is the same, row by row, but for what it says of itself', async () => {
  const strange = 'tab\t, line\nend, \\. and \\N, “ä”';
  await sql`insert into site (name, description) values ('ber', ${strange}), ('ams', null)`.execute(db);
  await sql`
    insert into event (seq, at, kind, subject, actor, data)
    select seq, at, 'site.put', 'site/ber', 'token/ann', '{}' from feed_next(3)`.execute(db);
  await db.insertInto('fleet').values({ epoch: '0a1b2c3d', origin: 'here', hold_reason: null }).execute();
  // As a migration may, and what migrations put in may have changed since.
  await sql`alter table site add column gone text`.execute(db);
  await sql`alter table site drop column gone`.execute(db);
  await sql`update trait_cursor set seq = 2`.execute(db);
  const file = join(directory, 'good');
  const now = Date.parse('2026-03-04T05:06:07Z');
  const { head, rows, size } = await backUp(client, file, now);
  expect([head.made_at, size, statSync(file).mode & 0o777]).toEqual([
    '2026-03-04T05:06:07.000Z',
    readFileSync(file).length,
    0o600,
  ]);
  expect(await checkBackup(file)).toEqual({ head, rows });
  const copy = await connected(await emptyDatabase());
  expect(await restore(copy, file, migrations())).toEqual({ head, rows });
  const [before, after] = [await contentOf(client), await contentOf(copy)];
  expect(Object.values(before.tables).reduce((sum, list) => sum + list.length, 0)).toBe(rows);
  // The restore is an event, too.
  const counted = before.sequences.map((each) =>
    each.name === 'feed_seq' ? { ...each, value: each.value + 1 } : each,
  );
  expect(after.sequences).toEqual(counted);
  const told = { fleet: [], event: [] };
  expect({ ...after.tables, ...told }).toEqual({ ...before.tables, ...told });
  const reason =
    'restored from a backup of 2026-03-04T05:06:07.000Z: look at the installs that are asked for, then end this hold';
  expect((await copy.query('select origin, hold, hold_reason from fleet')).rows).toEqual([
    { origin: 'restored', hold: true, hold_reason: reason },
  ]);
  expect(
    (await copy.query('select kind, subject, actor, reason, data from event order by seq desc limit 1')).rows,
  ).toEqual([
    {
      kind: 'fleet.restored',
      subject: 'fleet',
      actor: 'machinedb restore',
      reason,
      data: { made_at: head.made_at, epoch: head.epoch },
    },
  ]);
});

test('what a backup that was cut off left behind is in nobody’s way', async () => {
  const file = join(directory, 'again');
  writeFileSync(`${file}.part`, 'half of a backup');
  await backUp(client, file, Date.now());
  expect(existsSync(`${file}.part`)).toBe(false);
  // Its transaction, which only read, is over.
  await client.query(`insert into site (name) values ('after')`);
  await checkBackup(file);
});

test('a backup that fails leaves no file, and no draft', async () => {
  const file = join(directory, 'failed');
  const isCopy = (asked: unknown) => typeof asked !== 'string';
  let pid = 0;
  const reader = actingBefore(isCopy, async () => {
    await expect.poll(() => existsSync(`${file}.part`)).toBe(true);
    await client.query('select pg_terminate_backend($1)', [pid]);
  });
  reader.on('error', () => undefined);
  pid = await pidOf(await connected(url, reader));
  await expect(backUp(reader, file, Date.now())).rejects.toThrow(/terminat|not queryable/);
  expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
});

test('a migration waits while a backup reads', async () => {
  const migrating = await connected(url);
  await migrating.query('set lock_timeout = 50');
  let told = 'it did not wait';
  const reader = actingBefore(
    (asked) => `${asked}`.includes('epoch'),
    async () => {
      await migrating.query('alter table site add column more text').catch(({ code }: pg.DatabaseError) => {
        told = code!;
      });
    },
  );
  await backUp(await connected(url, reader), join(directory, 'meanwhile'), Date.now());
  // lock_not_available
  expect(told).toBe('55P03');
});

test('a restore waits for a daemon that migrates the database, and then finds it in use', async () => {
  const database = await emptyDatabase();
  const daemon = await connected(database);
  await daemon.query('begin');
  await daemon.query('select pg_advisory_xact_lock(7100, 2)');
  const late = await connected(database);
  const pid = await pidOf(late);
  const refused = restore(late, join(directory, 'good'), migrations()).then(String, ({ message }: Error) => message);
  await expect
    .poll(
      async () =>
        (await daemon.query(`select from pg_locks where locktype = 'advisory' and not granted and pid = $1`, [pid]))
          .rowCount,
    )
    .toBe(1);
  await daemon.query('create table migration (name text)');
  await daemon.query('commit');
  expect(await refused).toBe('the database is not empty (it has migration): restore into a new one');
});
