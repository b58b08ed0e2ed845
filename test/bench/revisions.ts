import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { observeAll } from '../../agent/facts.ts';
import { openSystem } from '../../agent/system.ts';
import { startHarness } from '../harness.ts';
import { simulateNode } from '../simulated-node.ts';
import { alternate, each, show, showRatio, time } from './measure.ts';

const NODES = 200;
const ROUNDS = 3;
const REPORTS = 600;
const AT_ONCE = 64;
/** Rows of one raw insert: the most reports that a daemon stores in one transaction, with their sections. */
const BATCH = 150;

/** Changed reports through two daemons, three sections each, against raw inserts of the same rows. */
export async function revisions(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  const harness = await startHarness({ environment: { MACHINEDB_PENDING_PER_SOURCE: '1000' } });
  const pool = new pg.Pool({ connectionString: harness.databaseUrl, max: 2 });
  try {
    const { sections } = observeAll(openSystem(''));
    const { system, os, firmware } = sections as Record<string, object>;
    const nodes = Array.from({ length: NODES }, (_, i) => simulateNode(directory, i));
    const daemonOf = (i: number) => harness.daemons[(i % 2) as 0 | 1];
    await each(nodes, 8, (node, i) => node.enrol(daemonOf(i)));
    await each(nodes, 8, async (node, i) => await node.report(daemonOf(i), sections as Record<string, unknown>));
    await pool.query('create table raw_revision (like revision including all)');
    let since = await last(pool);
    const rates = await alternate(ROUNDS, {
      reports: async (round) => {
        since = await last(pool);
        const turns = Array.from({ length: REPORTS }, (_, i) => i);
        const ms = await time(() =>
          each(turns, AT_ONCE, async (i) => {
            const version = `${round}.${i}`;
            const changed = {
              system: { ...system, version },
              os: { ...os, version },
              firmware: { ...firmware, version },
            };
            await nodes[i % NODES]!.report(daemonOf(i), changed);
          }),
        );
        return (REPORTS * 1000) / ms;
      },
      raw: async () => {
        const { rows } = await pool.query<{ row: object }>(
          'select to_jsonb(r) as row from revision r where seq > $1 order by seq',
          [since],
        );
        // What was open then overlaps what came after it.
        await pool.query('truncate raw_revision');
        const batches = Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, i) =>
          rows.slice(i * BATCH, (i + 1) * BATCH).map(({ row }) => row),
        );
        const ms = await time(() =>
          each(batches, 2, (batch) =>
            pool.query('insert into raw_revision select * from jsonb_populate_recordset(null::raw_revision, $1)', [
              JSON.stringify(batch),
            ]),
          ),
        );
        if (rows.length < REPORTS * 3) throw new Error(`${REPORTS} reports made only ${rows.length} revisions`);
        return (rows.length * 1000) / ms;
      },
    });
    const written = rates.reports.map((rate) => rate * 3);
    show(`changed reports, two daemons, ${AT_ONCE} at once`, rates.reports, '/s');
    show('revisions of them', written, '/s');
    show(`raw inserts of the same rows, ${BATCH} a statement`, rates.raw, 'rows/s');
    showRatio('revisions / raw rows', written, rates.raw);
  } finally {
    await pool.end();
    await harness.close();
    rmSync(directory, { recursive: true });
  }
}

async function last(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ seq: string }>('select coalesce(max(seq), 0)::text as seq from revision');
  return rows[0]!.seq;
}
