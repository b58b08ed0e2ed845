import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result, Run } from '../command.ts';
import { makeTree } from './tree.ts';
import { unpacked } from './unpacked.ts';

/** Password of the user ann. */
export const PASSWORD = 'secret';
const HASH = '$6$machinedb$0NTbbbq/ccKDT20JiL7suTr/W6tdkj9tMW4yNUN5wwZoIlVHiohazfGT4MDhGXruVuCE28kmTXbS63z.BKfkL0';

/** A machine with Debian's sshd, running in a network and a mount namespace of its own, on its files alone. */
export interface SshMachine {
  root: string;
  /** Runs sshd and ssh-keygen on the machine; `systemctl reload-or-restart` makes the running sshd read its files. */
  run: Run;
  /** Writes a file of the machine, for root or another owner. */
  put(path: string, text: string, uid?: number): void;
  /** Runs a client on the machine's own network. */
  client(command: string, args: string[], env?: Record<string, string>): Result;
  /** How often the running sshd was made to read its files. */
  reloads(): number;
  stop(): Promise<void>;
}

const ENTER = `ip link set lo up
for path in etc/ssh etc/passwd etc/shadow etc/pam.d run home root; do mount --bind "$1/$path" "/$path"; done
exec "$2" -D -e`;

/** Starts one as Debian installs it: with the package's sshd_config, three host keys, and the users ann and bob. */
export async function startSshMachine(): Promise<SshMachine> {
  const folder = unpacked('openssh-server', 'libwrap0');
  const program = join(folder, 'usr/sbin/sshd');
  const libraries = ['lib', 'usr/lib'].map((lib) => join(folder, lib, 'x86_64-linux-gnu')).join(':');
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  const root = makeUsers(folder);
  for (const type of ['rsa', 'ecdsa', 'ed25519'])
    spawnSync('ssh-keygen', ['-q', '-N', '', '-t', type, '-f', join(root, `etc/ssh/ssh_host_${type}_key`)]);
  const server = spawn('unshare', ['--net', '--mount', 'sh', '-ec', ENTER, 'sh', root, program], {
    env,
    stdio: 'ignore',
  });
  const inside = ['--target', String(server.pid), '--net', '--mount'];
  const enter = (command: string, args: string[], more = {}): Result =>
    spawnSync('nsenter', [...inside, command, ...args], { encoding: 'utf8', env: { ...env, ...more } });
  const isUp = () => enter('ssh-keyscan', ['-T', '1', '127.0.0.1']).stdout !== '';
  for (let tries = 0; !isUp(); tries++) {
    if (tries > 50 || server.exitCode !== null) throw new Error('sshd does not start');
    await sleep(100);
  }
  let reloads = 0;
  return {
    root,
    run(command, args) {
      if (command === 'sshd') return enter(program, args);
      if (command !== 'systemctl') return enter(command, args);
      reloads += 1;
      server.kill('SIGHUP');
      for (let tries = 0; tries < 50 && !isUp(); tries++) spawnSync('sleep', ['0.1']);
      return { status: 0, stdout: '', stderr: '' };
    },
    put(path, text, uid = 0) {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: 0o600 });
      for (const each of [file, dirname(file)]) chownSync(each, uid, uid);
    },
    client: (command, args, more) => enter(command, args, more),
    reloads: () => reloads,
    stop: () => stop(server),
  };
}

function makeUsers(folder: string): string {
  const passwd = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter((line) => !/^(sshd|ann|bob):/.test(line));
  const users = ['ann:x:7001:7001::/home/ann:/bin/sh', 'bob:x:7002:7002::/home/bob:/bin/sh'];
  const root = makeTree({
    '/etc/ssh/sshd_config': readFileSync(join(folder, 'usr/share/openssh/sshd_config')),
    '/etc/ssh/sshd_config.d/README': '',
    '/etc/passwd': [...passwd.filter(Boolean), ...users, 'sshd:x:7003:65534::/run/sshd:/usr/sbin/nologin', ''].join(
      '\n',
    ),
    '/etc/shadow': ['root', 'ann', 'bob'].map((user) => `${user}:${HASH}:19000:0:99999:7:::\n`).join(''),
    '/run/sshd/none': '',
    '/root/none': '',
    '/home/ann/none': '',
    '/home/bob/none': '',
  });
  for (const path of ['etc', 'etc/ssh', 'run', 'run/sshd', 'home', 'home/ann', 'home/bob'])
    chmodSync(join(root, path), 0o755);
  chmodSync(join(root, 'root'), 0o700);
  chownSync(join(root, 'home/ann'), 7001, 7001);
  chownSync(join(root, 'home/bob'), 7002, 7002);
  if (existsSync('/etc/pam.d')) cpSync('/etc/pam.d', join(root, 'etc/pam.d'), { recursive: true });
  cpSync(join(folder, 'etc/pam.d'), join(root, 'etc/pam.d'), { recursive: true });
  return root;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  server.kill('SIGTERM');
  await once(server, 'exit');
}
