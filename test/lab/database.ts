import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesOf } from '../../machinedb/postgres/processes.ts';
import { type OwnPostgres, startOwnPostgres } from '../../machinedb/postgres/start.ts';
import { openState } from '../../machinedb/state.ts';

export interface OwnDatabase {
  url: string;
  /** What its PostgreSQL writes lies below it. */
  disk: string;
  /** Process ids of its PostgreSQL. */
  processes(): number[];
  close(): Promise<void>;
}

/**
 * A PostgreSQL of its own, as `npm start` has one, that a test may do anything to. As root only.
 *
 * @param size of the disk that it has to itself, in MB; without it, it has this machine's
 */
export async function startDatabase(size?: number): Promise<OwnDatabase> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-database-'));
  const disk = join(directory, 'disk');
  chmodSync(directory, 0o755);
  mkdirSync(disk);
  if (size !== undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m,mode=755`, 'tmpfs', disk]);
  const log = { info: () => undefined, warn: () => undefined };
  const state = await openState(join(directory, 'state'));
  let postgres: OwnPostgres | undefined;
  const close = async () => {
    await postgres?.stop();
    state.close();
    if (size !== undefined) execFileSync('umount', [disk]);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    postgres = await startOwnPostgres({
      ...{ state: state.directory, log, path: process.env.PATH ?? '', shared: disk },
    });
  } catch (error) {
    await close();
    throw error;
  }
  const data = join(state.directory, 'postgres/data');
  return { url: postgres.url, disk, processes: () => processesOf(data), close };
}
