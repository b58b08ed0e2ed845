import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeedItem, Finding, Node } from '../shared/api/nodes.ts';
import type { LabNetwork } from './lab/network.ts';
import type { Guest } from './lab/qemu.ts';
import { openRepository, type Repository } from './lab/repository.ts';
import { catalogue, emptyDisk, type Machine, openSite, powerOn, SERVER, type Site } from './lab/site.ts';
import { root } from './program.ts';

let site: Site;
let repository: Repository;
/** An operator's machine, on the same network. */
let operator: LabNetwork['run'];
let key: string;
let knownHosts: string;

beforeAll(async () => {
  site = await openSite();
  await catalogue(site, 'discovery');
  await catalogue(site, 'baseOs');
  repository = openRepository(site.network, site.directory, SERVER);
  operator = site.network.join('10.77.0.9/24');
  key = join(site.directory, 'operator');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  knownHosts = join(site.directory, 'known_hosts');
  const { known_hosts } = await site.machinedb<{ known_hosts: string }>('ssh-ca', 'show');
  writeFileSync(knownHosts, `${known_hosts}\n`);
  await site.machinedb('site', 'put', 'ams1');
  await site.machinedb('rack', 'put', 'ams1', 'r1', '--height', '42');
  await site.machinedb('role', 'put', 'base');
  await site.machinedb(
    'network',
    'put',
    'lab',
    '--cidr',
    '10.77.0.0/24',
    '--gateway',
    SERVER,
    '--domain',
    'lab.example.org',
  );
  await intend('role/base', 'ssh', {
    password_authentication: false,
    permit_root_login: 'prohibit-password',
    host_certificate: true,
    authorized_keys: { root: { operator: readFileSync(`${key}.pub`, 'utf8').trim() } },
  });
  await intend('role/base', 'repos', { apt: { lab: labRepository() } });
  await intend('role/base', 'image', { name: site.images.baseOs.name });
}, 400_000);
afterAll(async () => {
  repository?.close();
  await site?.close();
});

const labRepository = () => ({
  uris: { [repository.uri]: true },
  suites: { lab: true },
  components: { main: true },
  key: repository.key,
});

async function intend(subject: string, section: string, data: unknown): Promise<void> {
  const file = join(site.directory, 'intent.json');
  writeFileSync(file, JSON.stringify(data));
  const { code, stderr } = await site.command(
    'intent',
    'put',
    subject,
    section,
    '-f',
    file,
    '--reason',
    'lab',
    '--yes',
  );
  if (code !== 0) throw new Error(stderr);
}

const show = async (node: string) => await site.machinedb<Node>('show', node);
const findings = async (node: string) =>
  (await site.machinedb<{ items: Finding[] }>('node-findings', node)).items.map(({ section, path }) => section + path);

/** Runs a command on a node by SSH, with host keys checked against the CA's line only. */
async function ssh(host: string, command: string): Promise<string> {
  const options = [
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'BatchMode=yes',
  ];
  const args = ['-F', '/dev/null', '-i', key, ...options.flatMap((option) => ['-o', option]), `root@${host}`, command];
  const { code, stdout, stderr } = await operator('ssh', args);
  if (code !== 0) throw new Error(`ssh ${host} ${command} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** From power-on to active, as an SRE does it; answers the node and the machine that runs. */
async function install(machine: Machine, fqdn: string, address: string): Promise<{ node: string; guest: Guest }> {
  const started = performance.now();
  const mark = (what: string) =>
    process.stderr.write(`${machine.firmware}: ${what} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  const guest = powerOn(site, machine);
  try {
    const line = await guest.line(/this machine is node/, 240_000);
    mark('discovered');
    const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
    const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
    await expect.poll(async () => (await show(node)).macs, { timeout: 20_000 }).toContain(machine.mac);
    expect(await show(node)).toMatchObject({ state: 'discovered', level: 'claimed', serial: machine.serial });
    await site.machinedb(
      'assign',
      node,
      '--site',
      'ams1',
      '--rack',
      'r1',
      '--role',
      'base',
      '--fqdn',
      fqdn,
      '--network',
      'lab',
      '--address',
      address,
      '--mode',
      'enforce',
      '--reason',
      'new',
      '--yes',
    );
    const refused = await site.command('reinstall', node, '--reason', 'too early');
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('is not approved') });
    await site.machinedb('approve', node, '--fingerprint', fingerprint, '--reason', 'seen on its console');
    await site.machinedb('reinstall', node, '--reason', 'new machine');
    await guest.line(/installed: starting the disk/, 240_000);
    mark('installed');
    await expect.poll(async () => (await show(node)).state, { timeout: 240_000, interval: 1000 }).toBe('active');
    mark('active');
    return { node, guest };
  } catch (error) {
    process.stderr.write(`${guest.console.slice(-60).join('\n')}\n`);
    await guest.close();
    throw error;
  }
}

test('BIOS: from a dead machine to Ansible, drift, and a change that would cut it off', async () => {
  const disk = emptyDisk(site, 'bios');
  const machine: Machine = { firmware: 'bios', mac: '52:54:00:4d:01:01', serial: 'LAB-BIOS-1', disk };
  const { node, guest } = await install(machine, 'web1.lab.example.org', '10.77.0.20');
  try {
    const log = site.harness.daemons[0].log.map(
      (line) => line.startsWith('{') && (JSON.parse(line) as Record<string, unknown>),
    );
    expect(log).toContainEqual(expect.objectContaining({ msg: 'TFTP', file: 'undionly.kpxe', whole: true }));
    await expect.poll(async () => (await show(node)).health, { timeout: 30_000 }).toBe('ok');
    expect(await show(node)).toMatchObject({ name: 'web1.lab.example.org', addresses: ['10.77.0.20/24'] });
    // Only the CA's line is known: the name is certified, and PID 1 is systemd.
    expect(await ssh('10.77.0.20', 'hostname -f; cat /proc/1/comm; sha256sum < /usr/bin/machinedb-agent')).toBe(
      `web1.lab.example.org\nsystemd\n${site.images.baseOs.agent}  -\n`,
    );
    expect(await ssh('10.77.0.20', 'apt-get update 2>&1')).toContain(`${repository.uri} lab InRelease`);
    await ansiblePing();
    await driftIsMended(node);
    await wrongGatewayIsUndone(node);
    const told = (await site.machinedb<{ items: FeedItem[] }>('history', node, '--limit', '1000')).items;
    const states = told.filter(({ kind }) => kind === 'node.state').map(({ data }) => (data as { to: string }).to);
    expect(states.reverse()).toEqual(['approved', 'installing', 'configuring', 'active']);
  } catch (error) {
    process.stderr.write(`${guest.console.slice(-40).join('\n')}\n`);
    throw error;
  } finally {
    await guest.close();
  }
}, 900_000);

async function ansiblePing(): Promise<void> {
  const daemon = site.harness.daemons[1];
  const { code, stdout, stderr } = await operator(
    'ansible',
    ['-i', join(root, 'machinedb/integrations/ansible/machinedb-inventory'), '-m', 'ping', 'web1.lab.example.org'],
    {
      HOME: site.directory,
      MACHINEDB_URL: daemon.url,
      MACHINEDB_STATE: site.harness.daemons[0].stateDirectory,
      ANSIBLE_REMOTE_USER: 'root',
      ANSIBLE_PRIVATE_KEY_FILE: key,
      ANSIBLE_SSH_ARGS: `-F /dev/null -o UserKnownHostsFile=${knownHosts} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes`,
    },
  );
  expect(stdout + stderr).toContain('"ping": "pong"');
  expect(code).toBe(0);
}

async function driftIsMended(node: string): Promise<void> {
  const host = '10.77.0.20';
  await site.machinedb('assign', node, '--mode', 'plan', '--reason', 'look only', '--yes');
  await expect.poll(async () => (await show(node)).mode).toBe('plan');
  await ssh(host, 'ip addr add 10.77.0.66/24 dev $(ip -o -4 addr show to 10.77.0.20 | cut -d" " -f2)');
  await ssh(host, 'sed -i s/prohibit-password/yes/ /etc/ssh/sshd_config.d/00-machinedb.conf');
  await ssh(host, 'sed -i s/main/contrib/ /etc/apt/sources.list.d/lab.sources; hostname other');
  const drifted = ['hostname/hostname', 'repos/apt/lab/components/main', 'ssh/permit_root_login'];
  await expect
    .poll(async () => (await findings(node)).sort(), { timeout: 10_000 })
    .toEqual(expect.arrayContaining(drifted));
  expect((await show(node)).health).toBe('drifted');
  const planned = async () =>
    (await site.machinedb<{ items: FeedItem[] }>('history', node)).items.filter(({ kind }) => kind === 'apply.planned');
  await expect.poll(planned, { timeout: 10_000 }).not.toEqual([]);
  // Plan mode touches nothing.
  expect(await ssh(host, 'cat /etc/ssh/sshd_config.d/00-machinedb.conf')).toContain('PermitRootLogin yes');
  await site.machinedb('assign', node, '--mode', 'enforce', '--reason', 'mend it', '--yes');
  await expect.poll(async () => (await show(node)).health, { timeout: 30_000 }).toBe('ok');
  expect(await ssh(host, 'cat /etc/ssh/sshd_config.d/00-machinedb.conf; hostname')).toMatch(
    /PermitRootLogin prohibit-password[\s\S]*\nweb1\n$/,
  );
}

async function wrongGatewayIsUndone(node: string): Promise<void> {
  const before = await ssh('10.77.0.20', 'cat /etc/systemd/network/10-machinedb-*');
  await site.machinedb(
    'network',
    'put',
    'lab',
    '--cidr',
    '10.77.0.0/24',
    '--gateway',
    '10.77.0.250',
    '--domain',
    'lab.example.org',
  );
  const finding = async () =>
    (await site.machinedb<{ items: Finding[] }>('node-findings', node)).items.find(({ path }) => path === '/apply');
  await expect.poll(finding, { timeout: 120_000, interval: 1000 }).toMatchObject({
    message: expect.stringMatching(
      /^generation \d+ was undone: gateway 10\.77\.0\.250 does not answer ARP on \S+\. It is tried again/,
    ),
  });
  expect(await ssh('10.77.0.20', 'cat /etc/systemd/network/10-machinedb-*; ip route show default')).toMatch(before);
  await site.machinedb(
    'network',
    'put',
    'lab',
    '--cidr',
    '10.77.0.0/24',
    '--gateway',
    SERVER,
    '--domain',
    'lab.example.org',
  );
  await expect.poll(async () => (await show(node)).health, { timeout: 30_000 }).toBe('ok');
}
