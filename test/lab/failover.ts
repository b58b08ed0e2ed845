import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { runAgent } from '../../agent/run.ts';
import { memorySystem } from '../../agent/testing/memory-system.ts';
import { type Db, openDb } from '../../machinedb/db.ts';
import { type DaemonProcess, defaults, end, startProcess } from '../harness.ts';
import { type Load, startLoad } from './failover-load.ts';
import { type DatabaseCluster, startCluster } from './patroni.ts';

export interface FailoverOptions {
  /** Every second one kills PostgreSQL with its Patroni, the others PostgreSQL alone. */
  rounds: number;
  /** Acknowledged writes over all rounds, at least. */
  writes: number;
  log: (message: string) => void;
}

export interface Round {
  killed: 'postgres' | 'postgres and patroni';
  /** From the kill to the first write that was begun after it and was acknowledged. */
  writesBackMs: number;
  /** From the kill to when every agent had been heard of again. */
  agentsBackMs: number;
}

export interface FailoverFigures {
  rounds: Round[];
  acknowledged: number;
  /** Acknowledged, and not there. */
  lost: string[];
  /** There more than once. */
  twice: string[];
  refusals: Record<string, number>;
  /** Nodes that there are at the end: each agent is one. */
  agents: number;
}

const AGENTS = 6;
const WRITERS = 12;

/** Three daemons on a Patroni cluster, agents with sessions and writers; again and again its primary is killed. */
export async function runFailover({ rounds, writes, log }: FailoverOptions): Promise<FailoverFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-failover-'));
  chmodSync(directory, 0o755);
  const steps: (() => Promise<unknown> | unknown)[] = [
    () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }),
  ];
  try {
    const cluster = await startCluster(directory);
    steps.push(() => cluster.close());
    log(`the cluster runs, ${await cluster.primary()} is its primary`);
    const daemons = await startDaemons(directory, cluster.url);
    steps.push(() => Promise.all(daemons.map((daemon) => end(daemon.process, 'SIGTERM'))));
    const db = openDb({ url: cluster.url, max: 2, statementTimeoutMs: 30_000, onError: () => {} });
    steps.push(() => db.destroy());
    steps.push(await startAgents(directory, daemons));
    await beats(db, new Date(0));
    const load = startLoad(daemons, WRITERS);
    steps.push(() => load.stop());
    const done: Round[] = [];
    for (let i = 0; i < rounds; i++) {
      const enough = Math.ceil((writes * (i + 1)) / rounds);
      while (countOf(load) < enough) await sleep(50);
      await cluster.whole();
      const round = await killPrimary(cluster, load, db, i % 2 === 0 ? 'postgres' : 'postgres and patroni');
      done.push(round);
      log(`round ${i + 1}: ${JSON.stringify(round)}, ${countOf(load)} acknowledged`);
      await cluster.whole();
    }
    await load.stop();
    return {
      rounds: done,
      acknowledged: countOf(load),
      refusals: Object.fromEntries(load.refusals),
      ...(await compare(db, load)),
    };
  } finally {
    for (const step of steps.reverse()) await step();
  }
}

const countOf = ({ sites, tokens }: Load) => sites.length + tokens.length;

async function startDaemons(directory: string, url: string): Promise<DaemonProcess[]> {
  const daemons: DaemonProcess[] = [];
  for (const name of ['one', 'two', 'three']) {
    const state = join(directory, name);
    mkdirSync(state, { mode: 0o700 });
    if (daemons.length > 0) copyFileSync(join(directory, 'one/kek'), join(state, 'kek'));
    const own = { DATABASE_URL: url, MACHINEDB_LISTEN: '127.0.0.1:0', MACHINEDB_STATE: state };
    daemons.push(await startProcess(state, [], { ...defaults, MACHINEDB_HEARTBEAT_MS: '2000', ...own }));
  }
  return daemons;
}

/** The agent itself, on machines that are no more than their DMI strings; answers how to end them. */
async function startAgents(directory: string, daemons: DaemonProcess[]): Promise<() => Promise<unknown>> {
  const ending = new AbortController();
  const { token } = await daemons[0]!.client.call('createJoinToken', { body: { uses: AGENTS, expires_in: 3600 } });
  const agents = Array.from({ length: AGENTS }, (_, i) => {
    const daemon = daemons[i % daemons.length]!;
    const home = join(directory, `agent${i}`);
    mkdirSync(home, { mode: 0o700 });
    return runAgent({
      system: memorySystem({
        '/sys/class/dmi/id/product_serial': `FAILOVER-${i}\n`,
        '/sys/class/dmi/id/product_name': 'Failover\n',
        '/sys/class/dmi/id/sys_vendor': 'Simulated\n',
      }),
      ...{ url: new URL(daemon.url), pins: daemon.pins, directory: home, joinToken: token, clock: Date.now },
      ...{ random: Math.random, firstBeatMs: 0, observeMs: 60_000, bootId: `boot-${i}`, firstSeq: 0, log: () => {} },
      signal: ending.signal,
    });
  });
  return async () => {
    ending.abort();
    await Promise.all(agents);
  };
}

/** Waits until every agent was heard of after a time. */
async function beats(db: Db, since: Date): Promise<void> {
  for (const limit = performance.now() + 300_000; ; await sleep(100)) {
    try {
      const { rows } = await sql<{ n: number }>`select count(*)::int as n from heartbeat where at > ${since}`.execute(
        db,
      );
      if (rows[0]!.n >= AGENTS) return;
    } catch {
      // There is no primary yet.
    }
    if (performance.now() > limit) throw new Error('not all agents came back within 5 minutes');
  }
}

async function killPrimary(cluster: DatabaseCluster, load: Load, db: Db, killed: Round['killed']): Promise<Round> {
  const primary = (await cluster.primary())!;
  if (killed === 'postgres') cluster.killPostgres(primary);
  else await cluster.killBoth(primary);
  const [at, since] = [performance.now(), new Date()];
  const after = async (done: Promise<void>) => {
    await done;
    return Math.round(performance.now() - at);
  };
  const written = async () => {
    while (load.newest() <= at) {
      if (performance.now() - at > 300_000) throw new Error('no write was acknowledged for 5 minutes');
      await sleep(20);
    }
  };
  const [writesBackMs, agentsBackMs] = await Promise.all([after(written()), after(beats(db, since))]);
  if (killed !== 'postgres') cluster.revive(primary);
  return { killed, writesBackMs, agentsBackMs };
}

async function compare(db: Db, { sites, tokens }: Load): Promise<Pick<FailoverFigures, 'lost' | 'twice' | 'agents'>> {
  const count = async (table: 'site' | 'token') =>
    new Map(
      (
        await sql<{ name: string; n: number }>`
          select name, count(*)::int as n from ${sql.table(table)} where name like 'f-%' group by name`.execute(db)
      ).rows.map(({ name, n }) => [name, n]),
    );
  const [foundSites, foundTokens] = [await count('site'), await count('token')];
  const agents = await sql<{ n: number }>`select count(*)::int as n from node`.execute(db);
  return {
    lost: [...sites.filter((name) => !foundSites.has(name)), ...tokens.filter((name) => !foundTokens.has(name))],
    twice: [...foundTokens].filter(([, n]) => n > 1).map(([name]) => name),
    agents: agents.rows[0]!.n,
  };
}
