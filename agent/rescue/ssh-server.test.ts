import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { run } from '../command.ts';
import { openSystem } from '../system.ts';
import { unpacked } from '../testing/unpacked.ts';
import { type SshServer, startSshServer } from './ssh-server.ts';

// Not below /tmp: sshd trusts no key below a folder that others may write to.
const directory = mkdtempSync('/var/lib/machinedb-rescue-test-');
const at = (name: string) => join(directory, name);
const packages = unpacked('openssh-server', 'libwrap0');

/** A network and files of its own, in which there are root and sshd, and no other user. */
writeFileSync(at('passwd'), 'root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534:sshd:/run/sshd:/bin/false\n');
writeFileSync(at('shadow'), 'root:*:19000:0:99999:7:::\n');
const ENTER = `ip link set lo up; mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd
for name in passwd shadow; do mount --bind "$1/$name" "/etc/$name"; done; echo ready; exec sleep 600`;
const holder: ChildProcess = spawn('unshare', ['--net', '--mount', 'sh', '-ec', ENTER, 'sh', directory], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
await new Promise((resolve) => holder.stdout!.once('data', resolve));
const inside = ['--target', String(holder.pid), '--net', '--mount'];
const libraries = ['lib', 'usr/lib'].map((lib) => join(packages, lib, 'x86_64-linux-gnu')).join(':');
writeFileSync(
  at('sshd'),
  `#!/bin/sh\nLD_LIBRARY_PATH=${libraries} exec nsenter ${inside.join(' ')} ${packages}/usr/sbin/sshd "$@"\n`,
);
chmodSync(at('sshd'), 0o755);
for (const name of ['ca', 'ann', 'eve']) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
const lineOf = (name: string) =>
  readFileSync(at(`${name}.pub`), 'utf8')
    .split(' ')
    .slice(0, 2)
    .join(' ');
writeFileSync(at('known'), `@cert-authority * ${lineOf('ca')}\n`);

let running: SshServer[] = [];
afterEach(async () => {
  for (const server of running) await server.stop();
  running = [];
});
afterAll(() => {
  holder.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

async function start(key = lineOf('ann')): Promise<SshServer> {
  const server = await startSshServer(
    {
      ...{ directory: at('rescue'), sshd: at('sshd'), separation: at('separation'), port: 2222 },
      ...{ address: '127.0.0.1', run, system: openSystem() },
    },
    key,
    async (hostKey) => {
      writeFileSync(at('host.pub'), `${hostKey}\n`);
      spawnSync('ssh-keygen', ['-q', '-s', at('ca'), '-h', '-I', 'x', '-n', '127.0.0.1', at('host.pub')]);
      return readFileSync(at('host-cert.pub'), 'utf8').trim();
    },
  );
  running.push(server);
  return server;
}

const client = (who: string, command: string) => {
  const options = [`UserKnownHostsFile=${at('known')}`, 'StrictHostKeyChecking=yes', 'BatchMode=yes'];
  const flags = [...options, 'GlobalKnownHostsFile=/dev/null'].flatMap((option) => ['-o', option]);
  return [...inside, 'ssh', '-F', '/dev/null', '-p', '2222', '-i', at(who), ...flags, 'root@127.0.0.1', command];
};
const ssh = (who: string, command: string) => spawnSync('nsenter', client(who, command), { encoding: 'utf8' });

test('one key is let in, by a host that the CA vouches for; no other key, and no password', async () => {
  await start();
  expect(ssh('ann', 'id -un; echo $0')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^root\n/) });
  const stranger = ssh('eve', 'id');
  expect(stranger).toMatchObject({ status: 255, stdout: '' });
  expect(stranger.stderr).toContain('Permission denied (publickey)');
  expect(readFileSync(at('rescue/authorized_keys'), 'utf8')).toBe(`restrict,pty ${lineOf('ann')}\n`);
}, 60_000);

test('at the end the server is gone, and so are the sessions and what they began', async () => {
  const server = await start();
  const session = spawn('nsenter', client('ann', 'sleep 4242 & exec sleep 4243'), { stdio: 'ignore' });
  const ended = new Promise((resolve) => session.once('close', resolve));
  const began = () => spawnSync('pgrep', ['-fx', 'sleep 424[23]'], { encoding: 'utf8' }).stdout.trim().split('\n');
  await expect.poll(began, { timeout: 15_000 }).toHaveLength(2);
  await server.stop();
  await ended;
  await expect.poll(began, { timeout: 15_000 }).toEqual(['']);
  expect(ssh('ann', 'true').stderr).toContain('Connection refused');
}, 60_000);

test('the server that an agent before has left is ended', async () => {
  await start();
  const pid = readFileSync(at('rescue/sshd.pid'), 'utf8').trim();
  await start(lineOf('eve'));
  await expect.poll(() => openSystem().read(`/proc/${pid}/comm`), { timeout: 15_000 }).toBe(undefined);
  expect([ssh('ann', 'true').status, ssh('eve', 'true').status]).toEqual([255, 0]);
}, 60_000);

test.each([
  ['a second line', 'ssh-ed25519 AAAA\nssh-ed25519 BBBB'],
  ['options', 'command="reboot" ssh-ed25519 AAAA'],
  ['a comment', ''],
])(
  'a key with %s is none',
  async (_, text) => {
    const key = text === '' ? `${lineOf('ann')} ann@laptop` : text;
    await expect(start(key)).rejects.toThrow('what the server sent is no SSH public key');
  },
  60_000,
);
