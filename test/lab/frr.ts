import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Run, run } from '../../agent/command.ts';

const RELOAD = '/usr/lib/frr/frr-reload.py';
const DAEMONS = ['zebra', 'bfdd', 'bgpd'] as const;

/** A network of its own with an FRR of its own: files, sockets and pids are below its root, nothing is this machine's. */
export interface FrrHost {
  name: string;
  /** Folder that stands for its /, with /etc/frr as the package makes it. */
  root: string;
  /** Runs programs in it. `systemctl restart frr.service` is done by hand. */
  run: Run;
  /** Runs programs in its network, as they are. */
  inside: Run;
  /** `ip` in it. */
  ip(...args: string[]): string;
  /** Writes its frr.conf and (re)starts what /etc/frr/daemons says, as frr.service does. */
  start(conf?: string): void;
  /** What vtysh says to a `show ... json`. */
  show(what: string): Record<string, unknown>;
  /** Ends its daemons and removes its network. */
  close(): void;
}

let made = 0;

/** @param daemons what /etc/frr/daemons says, besides zebra, which always runs */
export function openFrrHost(daemons: string): FrrHost {
  const name = `mdb-frr-${process.pid}-${made++}`;
  const root = mkdtempSync(join(tmpdir(), `${name}-`));
  const folder = join(root, 'etc/frr');
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(root, 'usr/lib/frr'), { recursive: true });
  writeFileSync(join(root, RELOAD), '');
  writeFileSync(join(folder, 'daemons'), daemons, { mode: 0o640 });
  writeFileSync(join(folder, 'vtysh.conf'), 'service integrated-vtysh-config\n');
  // The daemons run as frr and make their sockets here; mkdtemp(3) lets nobody else in.
  const { uid, gid } = statSync('/etc/frr');
  for (const path of [root, folder]) chownSync(path, uid, gid);
  execFileSync('ip', ['netns', 'add', name]);
  const inside: Run = (command, args) => run('ip', ['netns', 'exec', name, command, ...args]);
  const sockets = ['--vty_socket', folder];
  const host: FrrHost = {
    name,
    root,
    inside,
    run(command, args) {
      if (command === 'vtysh') return inside('vtysh', [...sockets, '--config_dir', folder, ...args]);
      if (command === RELOAD) return inside(RELOAD, [...sockets, '--rundir', folder, ...args]);
      if (`${command} ${args.join(' ')}` === 'systemctl restart frr.service') host.start();
      return { status: 0, stdout: '', stderr: '' };
    },
    ip: (...args) => execFileSync('ip', ['-n', name, ...args], { encoding: 'utf8' }),
    start(conf) {
      if (conf !== undefined) writeFileSync(join(folder, 'frr.conf'), conf, { mode: 0o640 });
      stop(folder);
      const said = readFileSync(join(folder, 'daemons'), 'utf8');
      for (const daemon of DAEMONS.filter((each) => each === 'zebra' || said.includes(`${each}=yes`))) {
        const own = daemon === 'bfdd' ? ['--bfdctl', join(folder, 'bfdd.sock')] : [];
        const files = ['-z', join(folder, 'zserv.api'), '-i', pidFile(folder, daemon), '-f', '/dev/null', ...sockets];
        const log = ['--log', `file:${join(folder, `${daemon}.log`)}`];
        const ended = inside(`/usr/lib/frr/${daemon}`, ['-d', '-P', '0', ...files, ...log, ...own]);
        if (ended.status !== 0) throw new Error(`${daemon} does not start: ${ended.stderr}`);
      }
      if (existsSync(join(folder, 'frr.conf'))) host.run('vtysh', ['-b']);
    },
    show(what) {
      const { status, stdout, stderr } = host.run('vtysh', ['-c', `show ${what} json`]);
      if (status !== 0) throw new Error(`show ${what}: ${stderr}${stdout}`);
      return JSON.parse(stdout) as Record<string, unknown>;
    },
    close() {
      process.removeListener('exit', host.close);
      stop(folder);
      spawnSync('ip', ['netns', 'delete', name]);
      rmSync(root, { recursive: true, force: true });
    },
  };
  process.once('exit', host.close);
  host.ip('link', 'set', 'lo', 'up');
  return host;
}

const pidFile = (folder: string, daemon: string) => join(folder, `${daemon}.pid`);

/** Ends the daemons whose pids are in the folder, and waits until they are gone. */
function stop(folder: string): void {
  const files = DAEMONS.map((daemon) => pidFile(folder, daemon)).filter((file) => existsSync(file));
  const pids = files.map((file) => Number(readFileSync(file, 'utf8')));
  for (const pid of pids) if (isOurs(pid, folder)) process.kill(pid, 'SIGTERM');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; pids.some((pid) => isOurs(pid, folder)) && tries < 100; tries++) Atomics.wait(pause, 0, 0, 50);
  for (const pid of pids) if (isOurs(pid, folder)) process.kill(pid, 'SIGKILL');
  for (const file of files) rmSync(file, { force: true });
}

/** A pid may have gone to another process: ours names the folder. */
function isOurs(pid: number, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
  } catch {
    return false;
  }
}

/**
 * A switch with an unnumbered session on swp1 and one to 10.1.1.2 on a numbered port, both with BFD. As a network engineer
 * writes it: by hand, with a peer group, and in another order than ours.
 *
 * @param more what router bgp 65001 has besides
 */
export const topOfRackConf = (numbered: string, more = '') => `frr defaults datacenter
hostname tor1
!
interface ${numbered}
 ip address 10.1.1.1/24
!
router bgp 65001
 bgp router-id 10.0.0.1
 neighbor SERVERS peer-group
 neighbor SERVERS remote-as external
 neighbor SERVERS bfd
 neighbor 10.1.1.2 peer-group SERVERS
 neighbor swp1 interface peer-group SERVERS
${more}!
`;

/** Joins two hosts by a cable. */
export function cable(a: FrrHost, port: string, b: FrrHost, peer: string): void {
  a.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', peer, 'netns', b.name);
  a.ip('link', 'set', port, 'up');
  b.ip('link', 'set', peer, 'up');
}

/** Asks every half second until the answer is right, at most `seconds`. @returns the last answer */
export async function until<T>(seconds: number, ask: () => T, isRight: (answer: T) => boolean): Promise<T> {
  for (const end = Date.now() + seconds * 1000; ; await setTimeout(500)) {
    const answer = ask();
    if (isRight(answer) || Date.now() > end) return answer;
  }
}
