import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createZstdDecompress } from 'node:zlib';
import pg from 'pg';
import { MIGRATION_TABLE, type Migration } from '../migrate.ts';
import { linesIn } from './backup.ts';
import { copyIn } from './copy.ts';
import { BadBackup, end, type Head, head as headSchema, quoted, tableEnd, tableStart } from './format.ts';
import { Lines } from './lines.ts';

export interface Restored {
  head: Head;
  rows: number;
}

/** What takes a table's rows; answers how many it took. */
type Take = (table: Head['tables'][number], rows: AsyncIterable<Buffer>) => Promise<number>;

/** Reads a whole backup and checks every count and digest in it. Throws an error that names the file and what is wrong. */
export async function checkBackup(file: string): Promise<Restored> {
  return await readBackup(file, async () => async (_table, rows) => {
    let count = 0;
    for await (const chunk of rows) count += linesIn(chunk);
    return count;
  });
}

/**
 * Fills an empty database from a backup, in one transaction that commits only when every count and digest was right. The copy
 * begins an epoch of its own and is on hold: what it knows of installs may be long over.
 *
 * @param client connected to the database, without a time limit for statements
 * @param migrations of this program
 * @throws Error that names the file or the database, and what is wrong with it
 */
export async function restore(client: pg.Client, file: string, migrations: Migration[]): Promise<Restored> {
  await client.query('begin');
  try {
    // Daemons that start meanwhile wait to migrate, and then find it done.
    await client.query('select pg_advisory_xact_lock(7100, 2)');
    await checkEmpty(client);
    const restored = await readBackup(file, async (head) => {
      await createSchema(client, head, migrations);
      await triggers(client, head, 'disable');
      return async ({ name, columns }, rows) =>
        await copyIn(client, `copy ${quoted(name)} (${columns.map(quoted).join(', ')}) from stdin`, rows);
    });
    await triggers(client, restored.head, 'enable');
    for (const { name, value, called } of restored.head.sequences)
      await client.query('select setval($1::text::regclass, $2, $3)', [quoted(name), value, called]);
    await beginAnew(client, restored.head);
    await client.query('commit');
    return restored;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

async function readBackup(file: string, begin: (head: Head) => Promise<Take>): Promise<Restored> {
  const source = createReadStream(file);
  const content = source.pipe(createZstdDecompress());
  source.on('error', (error) => content.destroy(error));
  const lines = new Lines(content);
  try {
    const head = await lines.object(headSchema, 'head of a backup of this form');
    const take = await begin(head);
    let all = 0;
    for (const table of head.tables) {
      const { table: name } = await lines.object(tableStart, `table ${table.name}`);
      if (name !== table.name) throw new BadBackup(`it has table ${name} where ${table.name} should be`);
      const hash = createHash('sha256');
      const rows = await take(table, through(lines.rows(), hash)).catch((error: unknown) => {
        // What PostgreSQL says of rows, it says before the end of the file shows that its bytes were changed.
        if (error instanceof pg.DatabaseError)
          throw new BadBackup(`PostgreSQL does not take the rows of table ${name}: ${error.message}`);
        throw error;
      });
      const told = await lines.object(tableEnd, `end of table ${table.name}`);
      if (rows !== told.rows) throw new BadBackup(`table ${name} has ${rows} rows, and should have ${told.rows}`);
      if (hash.digest('hex') !== told.sha256)
        throw new BadBackup(`the rows of table ${name} are not those of its SHA-256`);
      all += rows;
    }
    const digest = lines.digest();
    const told = await lines.object(end, 'end');
    if (told.sha256 !== digest || told.rows !== all) throw new BadBackup('it is not what its SHA-256 says');
    await lines.ended();
    return { head, rows: all };
  } catch (error) {
    throw describe(file, error);
  } finally {
    source.destroy();
    content.destroy();
  }
}

async function* through(rows: AsyncIterable<Buffer>, hash: { update(chunk: Buffer): unknown }): AsyncGenerator<Buffer> {
  for await (const chunk of rows) {
    hash.update(chunk);
    yield chunk;
  }
}

function describe(file: string, error: unknown): unknown {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof BadBackup) return new Error(`${file} is no good backup: ${message}`);
  if (code === 'Z_BUF_ERROR')
    return new Error(`${file} is no good backup: it ends before its end: a part of it is missing`);
  if (code.startsWith('ZSTD_error')) return new Error(`${file} is no good backup: its bytes are not what was written`);
  if (/^E[A-Z]+$/.test(code)) return new Error(`${file} cannot be read: ${message}`);
  return error;
}

async function checkEmpty(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v', 'm', 'p') order by 1`,
  );
  if (rows.length > 0)
    throw new Error(
      `the database is not empty (it has ${rows[0]!.name}${rows.length === 1 ? '' : ` and ${rows.length - 1} more`}): restore into a new one`,
    );
}

/** The schema that the backup's rows had; a daemon that is newer brings it to its own when it starts. */
async function createSchema(client: pg.Client, head: Head, migrations: Migration[]): Promise<void> {
  await client.query(MIGRATION_TABLE);
  for (const { name, digest } of head.migrations) {
    const known = migrations.find((migration) => migration.name === name);
    if (known?.digest !== digest)
      throw new BadBackup(`it was made by a MachineDB with another migration ${name}: restore it with that release`);
    await client.query(known.text);
  }
  // What migrations put in comes from the backup, too.
  await client.query(`truncate ${head.tables.map(({ name }) => quoted(name)).join(', ')}`);
}

/** What triggers made of the rows is in the backup as well: made a second time, it would contradict what is there. */
async function triggers(client: pg.Client, { tables }: Head, act: 'enable' | 'disable'): Promise<void> {
  for (const { name } of tables) await client.query(`alter table ${quoted(name)} ${act} trigger user`);
}

async function beginAnew(client: pg.Client, { made_at: made, epoch }: Head): Promise<void> {
  const reason = `restored from a backup of ${made}: look at the installs that are asked for, then end this hold`;
  // No origin that a database has: the first daemon that opens it names a new epoch.
  await client.query(`update fleet set origin = 'restored', hold = true, hold_reason = $1`, [reason]);
  await client.query(
    `insert into event (seq, at, kind, subject, actor, reason, data)
     select seq, at, 'fleet.restored', 'fleet', 'machinedb restore', $1, $2 from feed_next(1)`,
    [reason, JSON.stringify({ made_at: made, epoch })],
  );
}
