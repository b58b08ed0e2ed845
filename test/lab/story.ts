import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { FeedItem, Finding, Node } from '../../shared/api/nodes.ts';
import type { LabNetwork } from './network.ts';
import type { Guest } from './qemu.ts';
import { openRepository, type Repository } from './repository.ts';
import { catalogue, type Machine, openSite, powerOn, SERVER, type Site } from './site.ts';

/** A site with a role to install: what an SRE prepares once, and what he does with each machine. */
export interface Story {
  site: Site;
  repository: Repository;
  /** Runs a program on an operator's machine, on the same network. */
  operator: LabNetwork['run'];
  /** Private key that opens root. */
  key: string;
  /** known_hosts with the CA's line only. */
  knownHosts: string;
  show(node: string): Promise<Node & { observed: Record<string, object> }>;
  findings(node: string): Promise<Finding[]>;
  /** Acts of a kind on a node, newest first. */
  acts(node: string, kind: string): Promise<FeedItem[]>;
  /** Runs a command on a node by SSH, with host keys checked; throws when it fails. */
  ssh(host: string, command: string): Promise<string>;
  /** Powers a machine on, and waits until it was discovered. Answers its node and the fingerprint on its console. */
  discover(machine: Machine): Promise<{ node: string; fingerprint: string; guest: Guest }>;
  /** Assigns, approves and asks for the install. */
  order(node: string, fingerprint: string, fqdn: string, address: string, wipe?: boolean): Promise<void>;
  /** Waits for a state. */
  reach(node: string, state: Node['state'], ms?: number): Promise<void>;
  close(): Promise<void>;
}

export async function openStory(): Promise<Story> {
  const site = await openSite();
  await catalogue(site, 'discovery');
  await catalogue(site, 'baseOs');
  const repository = openRepository(site.network, site.directory, SERVER);
  const operator = site.network.join('10.77.0.9/24');
  const key = join(site.directory, 'operator');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const knownHosts = join(site.directory, 'known_hosts');
  const { known_hosts } = await site.machinedb<{ known_hosts: string }>('ssh-ca', 'show');
  writeFileSync(knownHosts, `${known_hosts}\n`);
  await prepare(site, repository, readFileSync(`${key}.pub`, 'utf8').trim());
  const show: Story['show'] = async (node) => await site.machinedb('show', node);
  return {
    ...{ site, repository, operator, key, knownHosts, show },
    findings: async (node) => (await site.machinedb<{ items: Finding[] }>('node-findings', node)).items,
    async acts(node, kind) {
      const { items } = await site.machinedb<{ items: FeedItem[] }>('history', node, '--limit', '1000');
      return items.filter((item) => item.kind === kind);
    },
    async ssh(host, command) {
      const checks = [
        'StrictHostKeyChecking=yes',
        `UserKnownHostsFile=${knownHosts}`,
        'GlobalKnownHostsFile=/dev/null',
      ];
      const flags = [...checks, 'BatchMode=yes', 'ConnectTimeout=10'].flatMap((option) => ['-o', option]);
      const ended = await operator('ssh', ['-F', '/dev/null', '-i', key, ...flags, `root@${host}`, command]);
      if (ended.code === 0) return ended.stdout;
      throw new Error(`ssh ${host} ${command} ended with ${ended.code}: ${ended.stderr}${ended.stdout}`);
    },
    async discover(machine) {
      const guest = powerOn(site, machine);
      try {
        const line = await guest.line(/this machine is node/, 300_000);
        const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
        const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
        await expect.poll(async () => (await show(node)).macs, { timeout: 30_000 }).toContain(machine.mac);
        return { node, fingerprint, guest };
      } catch (error) {
        await guest.close();
        throw error;
      }
    },
    async order(node, fingerprint, fqdn, address, wipe = false) {
      const place = ['--site', 'ams1', '--rack', 'r1', '--role', 'base', '--mode', 'enforce'];
      const name = ['--fqdn', fqdn, '--network', 'lab', '--address', address];
      await site.machinedb('assign', node, ...place, ...name, '--reason', 'new', '--yes');
      await site.machinedb('approve', node, '--fingerprint', fingerprint, '--reason', 'seen on its console');
      await site.machinedb('reinstall', node, '--reason', 'new machine', ...(wipe ? ['--wipe'] : []));
    },
    async reach(node, state, ms = 600_000) {
      await expect.poll(async () => (await show(node)).state, { timeout: ms, interval: 1000 }).toBe(state);
    },
    async close() {
      repository.close();
      await site.close();
    },
  };
}

async function prepare(site: Site, repository: Repository, publicKey: string): Promise<void> {
  const intend = async (section: string, data: unknown) => {
    const file = join(site.directory, 'intent.json');
    writeFileSync(file, JSON.stringify(data));
    await site.machinedb('intent', 'put', 'role/base', section, '-f', file, '--yes');
  };
  await site.machinedb('site', 'put', 'ams1');
  await site.machinedb('rack', 'put', 'ams1', 'r1', '--height', '42');
  await site.machinedb('role', 'put', 'base');
  await putNetwork(site, SERVER);
  await intend('ssh', {
    password_authentication: false,
    permit_root_login: 'prohibit-password',
    host_certificate: true,
    authorized_keys: { root: { operator: publicKey } },
  });
  const source = { uris: { [repository.uri]: true }, suites: { lab: true }, components: { main: true } };
  await intend('repos', { apt: { lab: { ...source, key: repository.key } } });
  await intend('image', { name: site.images.baseOs.name });
}

/** The lab's network with this gateway. */
export async function putNetwork(site: Site, gateway: string): Promise<void> {
  const given = ['--cidr', '10.77.0.0/24', '--gateway', gateway, '--domain', 'lab.example.org'];
  await site.machinedb('network', 'put', 'lab', ...given);
}
