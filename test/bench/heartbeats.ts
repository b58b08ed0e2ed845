import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import WebSocket from 'ws';
import { tlsOptions } from '../../machinedb/cli/connect.ts';
import { startHarness } from '../harness.ts';
import { simulateNode } from '../simulated-node.ts';
import { alternate, each, show, showRatio, time } from './measure.ts';
import { postgresTime, processorTime } from './processor.ts';
import { startYardstick } from './yardstick.ts';

const SESSIONS = 1000;
const ROUNDS = 3;
// A session may send 200 messages in 30 s: warm-up and rounds stay below.
const BEATS = 50;

/** Accepted heartbeats over authenticated sessions of one daemon, against an echo server of the same stack. */
export async function heartbeats(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  // Background tasks as often as by default: the tests' daemons do them 25 times as often.
  const harness = await startHarness({
    environment: { MACHINEDB_PENDING_PER_SOURCE: '1000', MACHINEDB_TASK_MS: '5000' },
  });
  const echo = await startYardstick();
  const database = new pg.Client({ connectionString: harness.databaseUrl });
  try {
    await database.connect();
    const { rows } = await database.query<{ pid: number }>('select pg_backend_pid() as pid');
    const postgres = () => postgresTime(rows[0]!.pid);

    const daemon = harness.daemons[0];

    const nodes = Array.from({ length: SESSIONS }, (_, i) => simulateNode(directory, i));
    await each(nodes, 8, (node) => node.enrol(daemon));

    await each(nodes, 8, (node) => node.token(daemon));

    const sessions: WebSocket[] = [];
    const echoes: WebSocket[] = [];
    await each(nodes, 8, async (node) => {
      const headers = { authorization: `Bearer ${await node.token(daemon)}` };
      sessions.push(await open(`${daemon.url}/v1/self/session`, { headers, ...tlsOptions(daemon.connection) }));
      echoes.push(await open(`${echo.url}/echo`, { rejectUnauthorized: false, minVersion: 'TLSv1.3' }));
    });

    const processor: Record<'daemon' | 'echo' | 'postgres', number[]> = { daemon: [], echo: [], postgres: [] };
    const run = async (name: 'daemon' | 'echo', beats: number) => {
      const pid = name === 'daemon' ? daemon.process.pid! : echo.pid;
      const before = processorTime(pid);
      const postgresBefore = postgres();
      const ms = await time(() => exchange(name === 'daemon' ? sessions : echoes, beats));
      const each = (used: number) => (used * 1000) / (beats * SESSIONS);
      if (beats === BEATS) processor[name].push(each(processorTime(pid) - before));
      if (beats === BEATS && name === 'daemon') processor.postgres.push(each(postgres() - postgresBefore));
      return (beats * SESSIONS * 1000) / ms;
    };
    await run('daemon', 10);

    await run('echo', 10);

    const rates = await alternate(ROUNDS, { daemon: () => run('daemon', BEATS), echo: () => run('echo', BEATS) });
    show(`accepted heartbeats, ${SESSIONS} sessions, TLS`, rates.daemon, '/s');
    show('echoes by the same stack', rates.echo, '/s');
    showRatio('heartbeats / echoes', rates.daemon, rates.echo);
    show('processor of the daemon per heartbeat', processor.daemon, 'µs');
    show('processor of PostgreSQL per heartbeat', processor.postgres, 'µs');
    show('processor of the echo server per echo', processor.echo, 'µs');
    for (const socket of [...sessions, ...echoes]) socket.terminate();
  } finally {
    await database.end();
    await echo.close();
    await harness.close();
    rmSync(directory, { recursive: true });
  }
}

async function open(url: string, options: WebSocket.ClientOptions): Promise<WebSocket> {
  const socket = new WebSocket(url.replace(/^https/, 'wss'), { perMessageDeflate: false, ...options });
  await once(socket, 'open');
  return socket;
}

/** Every session sends its next beat when the one before was answered. */
async function exchange(sockets: WebSocket[], beats: number): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let seq = 0;
      const send = () => socket.send(JSON.stringify({ boot_id: 'b', seq, facts: '', generation: 0, version: '0.1.0' }));
      const next = () => {
        seq += 1;
        if (seq < beats) send();
        else resolve();
      };
      const closed = (code: number, reason: Buffer) => reject(new Error(`session closed: ${code} ${String(reason)}`));
      socket.on('message', next).on('close', closed);
      send();
      await promise;
      socket.off('message', next).off('close', closed);
    }),
  );
}
