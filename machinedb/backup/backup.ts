import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import type pg from 'pg';
import { copyOut } from './copy.ts';
import { END_OF_ROWS, type Head, quoted } from './format.ts';
import { sequencesOf, tablesOf } from './tables.ts';

export interface BackedUp {
  head: Head;
  rows: number;
  /** Of the file. */
  size: number;
}

/**
 * Writes all of a database as it was at one instant into a new file (mode 0600), which is there only when it is whole and on
 * disk. Writers go on meanwhile; a migration waits.
 *
 * @param client connected, without a time limit for statements
 * @param now milliseconds since 1970
 * @throws Error when the file is there already, or the database is not MachineDB's
 */
export async function backUp(client: pg.Client, file: string, now: number): Promise<BackedUp> {
  if ((await stat(file).catch(() => undefined)) !== undefined)
    throw new Error(`${file} is there already: name a new file, so that no backup is lost`);
  const draft = `${file}.part`;
  await rm(draft, { force: true });
  try {
    await client.query('begin isolation level repeatable read, read only');
    const head = await readHead(client, now);
    let rows = 0;
    const content = contentOf(client, head, (count) => {
      rows = count;
    });
    const compress = createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: 6, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    const target = createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true });
    await pipeline(Readable.from(content, { objectMode: false }), compress, target);
    await client.query('commit');
    await rename(draft, file);
    const directory = await open(dirname(file), 'r');
    await directory.sync();
    await directory.close();
    return { head, rows, size: (await stat(file)).size };
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function readHead(client: pg.Client, now: number): Promise<Head> {
  const tables = await tablesOf(client);
  if (!['fleet', 'migration', 'secret'].every((name) => tables.some((table) => table.name === name)))
    throw new Error('the database is not one of MachineDB: there is nothing to back up');
  // From here on a migration waits for us, as it does for every reader.
  await client.query(`lock table ${tables.map(({ name }) => quoted(name)).join(', ')} in access share mode`);
  const ask = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
  const [fleet] = await ask<{ epoch: string }>('select epoch from fleet');
  const [server] = await ask<{ major: number }>(`select current_setting('server_version_num')::int / 10000 as major`);
  const keks = await ask<{ id: string }>('select distinct sealed_by as id from secret order by 1');
  return {
    format: 'machinedb-backup',
    version: 1,
    made_at: new Date(now).toISOString(),
    postgres: server!.major,
    epoch: fleet?.epoch ?? '',
    keks: keks.map(({ id }) => id),
    migrations: await ask('select name, digest from migration order by name'),
    tables,
    sequences: await sequencesOf(client),
  };
}

async function* contentOf(client: pg.Client, head: Head, count: (rows: number) => void): AsyncGenerator<Buffer> {
  const whole = createHash('sha256');
  const through = (chunk: Buffer) => {
    whole.update(chunk);
    return chunk;
  };
  const line = (value: object) => through(Buffer.from(`${JSON.stringify(value)}\n`));
  let all = 0;
  yield line(head);
  for (const { name, columns } of head.tables) {
    const hash = createHash('sha256');
    let rows = 0;
    yield line({ table: name });
    for await (const chunk of copyOut(client, `copy ${quoted(name)} (${columns.map(quoted).join(', ')}) to stdout`)) {
      hash.update(chunk as Buffer);
      rows += linesIn(chunk as Buffer);
      yield through(chunk as Buffer);
    }
    yield through(Buffer.from(`${END_OF_ROWS}\n`));
    yield line({ rows, sha256: hash.digest('hex') });
    all += rows;
  }
  count(all);
  yield line({ end: true, rows: all, sha256: whole.copy().digest('hex') });
}

/** COPY escapes what is a line's end within a value. */
export function linesIn(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++;
  return lines;
}
