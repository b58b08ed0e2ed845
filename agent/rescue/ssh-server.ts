import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSshKey } from '../../shared/ssh-key.ts';
import { begin, must, type Run, type Running } from '../command.ts';
import type { System } from '../system.ts';
import { endTree } from './end-tree.ts';

export interface SshServer {
  /** Of its host key. */
  fingerprint: string;
  /** Where it is reached. */
  address: string;
  /** Ends it, and all that was begun through it. */
  stop(): Promise<void>;
}

export interface SshServerOptions {
  /** Folder in memory that is its own: the keys are there. */
  directory: string;
  sshd: string;
  /** Empty folder in which sshd separates its privileges (sshd(8)), where it was built to look for it. */
  separation: string;
  port: number;
  /** Address of this machine that people are told. */
  address: string;
  run: Run;
  system: System;
}

const LOOK_MS = 50;
/** It takes a second on a machine that is emulated. */
const PATIENCE_MS = 60_000;

/** One key of one operator, nothing else, as root: there is no other user in the image, and no disk mounted. */
const settings = (directory: string, port: number) => `Port ${port}
HostKey ${directory}/host_key
HostCertificate ${directory}/host_key-cert.pub
AuthorizedKeysFile ${directory}/authorized_keys
PidFile ${directory}/sshd.pid
AllowUsers root
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
DisableForwarding yes
LoginGraceTime 30
ClientAliveInterval 30
Subsystem sftp internal-sftp
`;

/**
 * Starts sshd for one operator's key, with a host key that is made for it and certified by the server. One that an agent
 * before this one has left is ended. Throws when the key is none, or when sshd refuses its settings.
 *
 * @param key type and base64
 */
export async function startSshServer(
  { directory, sshd, separation, port, address, run, system }: SshServerOptions,
  key: string,
  certify: (hostKey: string) => Promise<string>,
): Promise<SshServer> {
  await endLeftOver(system, directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const put = (name: string, text: string) => writeFileSync(join(directory, name), text, { mode: 0o600 });
  const [type, base64, ...more] = key.split(' ');
  if (parseSshKey(key) === undefined || more.length > 0) throw new Error('what the server sent is no SSH public key');
  put('authorized_keys', `restrict,pty ${type} ${base64}\n`);
  must(run, 'ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(directory, 'host_key')]);
  const hostKey = readFileSync(join(directory, 'host_key.pub'), 'utf8').trim();
  put('host_key-cert.pub', `${await certify(hostKey)}\n`);
  put('sshd_config', settings(directory, port));
  mkdirSync(separation, { recursive: true, mode: 0o755 });
  const config = join(directory, 'sshd_config');
  must(run, sshd, ['-t', '-f', config]);
  const server = begin(sshd, ['-D', '-e', '-f', config]);
  const stop = async () => {
    if (server.pid !== undefined) await endTree(system, server.pid);
    await server.ended;
    rmSync(directory, { recursive: true, force: true });
  };
  if (!(await isListening(server, () => system.read(join(directory, 'sshd.pid')) !== undefined))) {
    await stop();
    throw new Error('sshd was started, and does not listen: its port may be taken');
  }
  return {
    fingerprint: parseSshKey(hostKey)?.fingerprint ?? '',
    address,
    stop,
  };
}

/** sshd writes its PID once it listens. False: it ended before, or takes too long. */
async function isListening(server: Running, hasPid: () => boolean): Promise<boolean> {
  let ended = false;
  void server.ended.then(() => {
    ended = true;
  });
  for (let waited = 0; waited < PATIENCE_MS && !ended; waited += LOOK_MS) {
    if (hasPid()) return true;
    await sleep(LOOK_MS);
  }
  return false;
}

async function endLeftOver(system: System, directory: string): Promise<void> {
  const pid = Number(system.read(join(directory, 'sshd.pid')));
  if (pid > 1 && system.read(`/proc/${pid}/comm`) === 'sshd') await endTree(system, pid);
}
