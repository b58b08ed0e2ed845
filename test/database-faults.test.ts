import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDb } from '../machinedb/db.ts';
import { type Harness, startHarness } from './harness.ts';
import { type OwnDatabase, startDatabase } from './lab/database.ts';
import { type Load, startLoad } from './lab/failover-load.ts';

const isRoot = process.getuid?.() === 0;

/** Two daemons and four writers on a database that is broken and mended; answers what was refused meanwhile. */
async function breaking(
  size: number | undefined,
  story: (database: OwnDatabase, load: Load, harness: Harness) => Promise<void>,
): Promise<string[]> {
  const database = await startDatabase(size);
  try {
    const harness = await startHarness({ databaseUrl: database.url });
    const load = startLoad(harness.daemons, 4);
    try {
      await goesOn(load);
      await story(database, load, harness);
      await goesOn(load);
      await load.stop();
      const db = openDb({ url: database.url, max: 1, statementTimeoutMs: 30_000, onError: () => {} });
      const { rows } = await sql<{ name: string }>`
        select name from site union all select name from token where name like 'f-%'`.execute(db);
      await db.destroy();
      const found = rows.map(({ name }) => name);
      // Each once: a token that was made twice would stand here twice.
      expect(
        [...load.sites, ...load.tokens].filter((name) => found.filter((other) => other === name).length !== 1),
      ).toEqual([]);
      return [...load.refusals.keys()];
    } finally {
      await load.stop();
      await harness.close();
    }
  } finally {
    await database.close();
  }
}

const countOf = ({ sites, tokens }: Load) => sites.length + tokens.length;

async function goesOn(load: Load): Promise<void> {
  const before = countOf(load);
  await expect.poll(() => countOf(load), { timeout: 60_000 }).toBeGreaterThan(before + 20);
}

/** Whether nothing is acknowledged any more. */
async function stops(load: Load): Promise<void> {
  const refused = () => [...load.refusals.values()].reduce((sum, n) => sum + n, 0);
  const before = refused();
  await expect.poll(refused, { timeout: 30_000 }).toBeGreaterThan(before + 4);
}

test.skipIf(!isRoot)(
  '104 fsync fails: nothing is acknowledged by it, PostgreSQL starts anew by itself, and all that was acknowledged is there',
  async () => {
    const refusals = await breaking(undefined, async (database, load) => {
      // Every write-out of these processes, and of those that they start, fails from here on.
      const pids = database.processes().flatMap((pid) => ['-p', String(pid)]);
      const strace = spawn(
        'strace',
        [
          '-f',
          '-qq',
          '-o',
          '/dev/null',
          '-e',
          'trace=fsync,fdatasync',
          '-e',
          'inject=fsync,fdatasync:error=EIO',
          ...pids,
        ],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      );
      let said = '';
      strace.stderr.on('data', (chunk: Buffer) => {
        said += String(chunk);
      });
      try {
        await stops(load);
      } catch (error) {
        throw new Error(`writes go on while fsync fails; strace said: ${said}`, { cause: error });
      } finally {
        strace.kill('SIGTERM');
        await once(strace, 'exit');
      }
    });
    expect(refusals).toEqual(['503 retry-after']);
  },
  180_000,
);

test.skipIf(!isRoot)(
  "104 the database's disk is full: nothing is acknowledged, reads are served, and writes go on when there is space",
  async () => {
    const refusals = await breaking(120, async (database, load, harness) => {
      const filler = join(database.disk, 'filler');
      // All but what a page or two of the tables need; PostgreSQL itself takes the rest.
      const { bavail, bsize } = statfsSync(database.disk);
      const { status } = spawnSync('fallocate', ['-l', String(bavail * bsize - 64 * 1024), filler]);
      expect(status).toBe(0);
      await stops(load);
      expect((await harness.daemons[0].client.call('listSites', { query: { limit: 1 } })).items).toHaveLength(1);
      const { status: stillFull } = spawnSync('dd', [
        'if=/dev/zero',
        `of=${join(database.disk, 'more')}`,
        'bs=1M',
        'count=1',
      ]);
      expect(stillFull).toBe(1);
      rmSync(filler);
      rmSync(join(database.disk, 'more'));
    });
    expect(refusals).toEqual(['503 retry-after']);
  },
  180_000,
);
