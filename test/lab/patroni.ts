import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serviceAccount } from '../../machinedb/postgres/account.ts';
import { processesOf } from '../../machinedb/postgres/processes.ts';
import { end } from '../harness.ts';
import { root } from '../program.ts';
import { unpacked } from './unpacked.ts';

const shipped = join(root, 'machinedb/integrations/patroni');
const names = ['db1', 'db2', 'db3'] as const;
const passwords = { superuser: 'lab-superuser', replication: 'lab-replication', machinedb: 'lab-machinedb' };

interface Member {
  name: string;
  address: string;
  data: string;
  etcd: ChildProcess;
  /** Undefined while it is dead. */
  patroni: ChildProcess | undefined;
}

/** What Patroni says of a member. */
interface Said {
  name: string;
  role: string;
  state: string;
}

/** Three servers with etcd and Patroni by the configuration that ships, on loopback addresses of their own. */
export interface DatabaseCluster {
  /** DATABASE_URL as the README gives it to daemons. */
  url: string;
  /** Who is the primary by Patroni's word; undefined while nobody is. */
  primary(): Promise<string | undefined>;
  /** Kills all processes of a member's PostgreSQL (SIGKILL); its Patroni sees it. */
  killPostgres(name: string): void;
  /** Kills Patroni and PostgreSQL, as when the machine is lost. */
  killBoth(name: string): Promise<void>;
  /** Starts the Patroni of a member again, as its unit does. */
  revive(name: string): void;
  /** Waits until all run, and one of them is the primary's synchronous standby. */
  whole(): Promise<void>;
  close(): Promise<void>;
}

const packages = `etcd-server etcd-client python3-cdiff python3-click python3-dateutil python3-prettytable python3-psutil
  python3-urllib3 python3-psycopg2 python3-etcd python3-dnspython python3-six python3-wcwidth python3-colorama python3-yaml
  python3-pkg-resources postgresql-15 postgresql-client-15 libpq5 libldap-2.5-0 libsasl2-2 libicu72 libxml2 libxslt1.1`;

/** @param directory that every user can pass through; all is written below it */
export async function startCluster(directory: string): Promise<DatabaseCluster> {
  const log = { info: () => undefined, warn: () => undefined };
  const account = process.getuid?.() === 0 ? serviceAccount(log) : undefined;
  const programs = join(directory, 'programs');
  // PostgreSQL's user may not be let into this clone.
  cpSync(unpacked('patroni', ...packages.split(/\s+/)), programs, { recursive: true, verbatimSymlinks: true });
  // A network of loopback for each run, so that several do not meet.
  const network = `127.${20 + (process.pid % 200)}.${Math.floor(process.pid / 200) % 250}`;
  const start = (program: string, args: string[], name: string, environment: Record<string, string>) =>
    spawn(program, args, {
      ...account,
      cwd: join(directory, name),
      env: environmentOf(programs, join(directory, name), environment),
      stdio: ['ignore', ...[1, 2].map(() => openSync(join(directory, `${name}.log`), 'a'))],
    });
  const addressOf = (i: number) => `${network}.${11 + i}`;
  const filled = (file: string, i: number) =>
    fill(readFileSync(join(shipped, file), 'utf8'), {
      NAME: names[i]!,
      ADDRESS: addressOf(i),
      NETWORK: '127.0.0.0/8',
      PEERS: names.map((name, at) => `${name}=http://${addressOf(at)}:2380`).join(','),
      ETCD: names.map((_, at) => `${addressOf(at)}:2379`).join(','),
      SUPERUSER_PASSWORD: passwords.superuser,
      REPLICATION_PASSWORD: passwords.replication,
    })
      .replaceAll('/var/lib/postgresql', join(directory, names[i]!))
      .replaceAll('/var/lib/etcd', join(directory, names[i]!, 'etcd'))
      .replaceAll('/var/run/postgresql', join(directory, names[i]!))
      .replaceAll('/usr/lib/postgresql', join(programs, 'usr/lib/postgresql'));
  const startPatroni = (name: string) =>
    start('python3', ['-m', 'patroni', join(directory, name, 'config.yml')], name, {});
  const members: Member[] = names.map((name, i) => {
    const home = join(directory, name);
    mkdirSync(home, { mode: 0o700 });
    mkdirSync(join(home, '15'));
    writeFileSync(join(home, 'config.yml'), filled('patroni.yml', i), { mode: 0o600 });
    if (account !== undefined)
      for (const path of [home, join(home, '15'), join(home, 'config.yml')]) chownSync(path, account.uid, account.gid);
    const etcd = start(join(programs, 'usr/bin/etcd'), [], name, settingsIn(filled('etcd.default', i)));
    return { name, address: addressOf(i), data: join(home, '15/machinedb'), etcd, patroni: startPatroni(name) };
  });
  chmodSync(directory, 0o755);
  const of = (name: string) => members.find((member) => member.name === name)!;
  const killPostgres = (name: string) => {
    for (const pid of processesOf(of(name).data)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended with its parent.
      }
    }
  };
  const cluster: DatabaseCluster = {
    url: `postgresql://machinedb:${passwords.machinedb}@${members.map(({ address }) => address).join(',')}/machinedb?target_session_attrs=read-write`,
    primary: async () =>
      (await membersBy(members)).find(({ role, state }) => role === 'leader' && state === 'running')?.name,
    killPostgres,
    async killBoth(name) {
      const { patroni } = of(name);
      of(name).patroni = undefined;
      if (patroni !== undefined) await end(patroni, 'SIGKILL');
      killPostgres(name);
    },
    revive(name) {
      of(name).patroni = startPatroni(name);
    },
    async whole() {
      await until(directory, async () => {
        const said = await membersBy(members);
        const roles = said.filter(({ state }) => /^(running|streaming)$/.test(state)).map(({ role }) => role);
        return roles.length === 3 && roles.includes('leader') && roles.includes('sync_standby');
      });
    },
    async close() {
      for (const { patroni } of members) if (patroni !== undefined) await end(patroni, 'SIGKILL');
      for (const { name, data } of members) {
        try {
          killPostgres(name);
        } catch {
          // It has no data yet.
        }
        for (let i = 0; i < 100 && runs(data); i++) await sleep(50);
      }
      for (const { etcd } of members) await end(etcd, 'SIGKILL');
    },
  };
  try {
    await cluster.whole();
    const leader = of((await cluster.primary())!);
    execFileSync(
      join(programs, 'usr/lib/postgresql/15/bin/psql'),
      ['-h', leader.address, '-U', 'postgres', '-v', 'ON_ERROR_STOP=1', '-v', `password=${passwords.machinedb}`].concat(
        [...['-f', join(shipped, 'machinedb.sql'), 'postgres']],
      ),
      {
        env: environmentOf(programs, directory, { PGPASSWORD: passwords.superuser }),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function runs(data: string): boolean {
  try {
    return processesOf(data).length > 0;
  } catch {
    return false;
  }
}

function fill(text: string, values: Record<string, string>): string {
  return text.replace(/@([A-Z_]+)@/g, (_whole, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`nothing to put in for @${name}@`);
    return value;
  });
}

/** The settings of a file as /etc/default has them. */
function settingsIn(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)="(.*)"$/gm)].map(([, name, value]) => [name!, value!]));
}

function environmentOf(programs: string, home: string, more: Record<string, string>): Record<string, string> {
  const triple = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as 'x64' | 'arm64'];
  return {
    PATH: '/usr/bin:/bin',
    LC_ALL: 'C.UTF-8',
    HOME: home,
    PYTHONPATH: join(programs, 'usr/lib/python3/dist-packages'),
    LD_LIBRARY_PATH: join(programs, 'usr/lib', triple),
    ...more,
  };
}

/** Any member's Patroni knows all. */
async function membersBy(members: Member[]): Promise<Said[]> {
  for (const { address, patroni } of members) {
    if (patroni === undefined) continue;
    try {
      const answer = await fetch(`http://${address}:8008/cluster`, { signal: AbortSignal.timeout(2_000) });
      if (answer.ok) return ((await answer.json()) as { members: Said[] }).members;
    } catch {
      // Ask the next.
    }
  }
  return [];
}

async function until(directory: string, done: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 240_000;
  while (!(await done())) {
    if (performance.now() > limit) {
      const tails = names.map((name) => readFileSync(join(directory, `${name}.log`), 'utf8').slice(-2_000));
      throw new Error(`the database cluster is not whole:\n${tails.join('\n---\n')}`);
    }
    await sleep(250);
  }
}
