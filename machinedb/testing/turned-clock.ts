import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Binaries, inspect, machineDirectories } from '../postgres/binaries.ts';
import { startOwnPostgres } from '../postgres/start.ts';
import { openState } from '../state.ts';

/** Debian's package faketime. */
const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

export interface TurnedPostgres {
  url: string;
  /** Sets its clock so many seconds off this machine's: at once, for all its processes. */
  turn(seconds: number): void;
  close(): Promise<void>;
}

/** A real PostgreSQL of its own, whose clock can be turned while it runs. What measures time that passed is not turned. */
export async function startTurnedPostgres(): Promise<TurnedPostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-clock-'));
  chmodSync(directory, 0o755);
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const offset = join(directory, 'offset');
  const turn = (seconds: number) => {
    // Never half written.
    writeFileSync(`${offset}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`, { mode: 0o644 });
    renameSync(`${offset}.new`, offset);
  };
  turn(0);
  const [real] = (await inspect(machineDirectories(process.env.PATH ?? ''), undefined)) as [Binaries];
  for (const program of ['initdb', 'pg_ctl']) symlinkSync(join(real.bin, program), join(bin, program));
  const settings = `LD_PRELOAD=${LIBRARY} FAKETIME_TIMESTAMP_FILE=${offset} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1`;
  writeFileSync(join(bin, 'postgres'), `#!/bin/sh\nexec env ${settings} ${join(real.bin, 'postgres')} "$@"\n`, {
    mode: 0o755,
  });
  const log = { info: () => undefined, warn: () => undefined };
  const state = await openState(join(directory, 'state'));
  const postgres = await startOwnPostgres({
    ...{ state: state.directory, log, machineBinaries: [bin], shared: join(directory, 'shared') },
  });
  return {
    url: postgres.url,
    turn,
    async close() {
      await postgres.stop();
      state.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
