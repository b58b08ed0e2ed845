import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import type { Finding, Node } from '../../shared/api/nodes.ts';
import type { LabNetwork } from './network.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

/** An SRE with a machine of his own on the site's network, an SSH key, and the CA's line as his only known host. */
export interface Operator {
  /** Runs a program on his machine. */
  operator: LabNetwork['run'];
  /** His private key, and its public one as a line. */
  key: string;
  publicKey: string;
  /** known_hosts with the CA's line only. */
  knownHosts: string;
  show(node: string): Promise<Node & { observed: Record<string, object> }>;
  findings(node: string): Promise<Finding[]>;
  /** Acts of a kind on a node, newest first. */
  acts(node: string, kind: string): Promise<FeedItem[]>;
  /** Runs a command on a node by SSH as root, with host keys checked; throws when it fails. */
  ssh(host: string, command: string): Promise<string>;
  /** Waits for a state. */
  reach(node: string, state: Node['state'], ms?: number): Promise<void>;
  /** Intends a section of a role. */
  intend(role: string, section: string, data: unknown): Promise<void>;
}

export async function openOperator(site: Site): Promise<Operator> {
  const operator = site.network.join('10.77.0.9/24');
  const key = join(site.directory, 'operator');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const knownHosts = join(site.directory, 'known_hosts');
  const { known_hosts } = await site.machinedb<{ known_hosts: string }>('ssh-ca', 'show');
  writeFileSync(knownHosts, `${known_hosts}\n`);
  const show: Operator['show'] = async (node) => await site.get(`/v1/nodes/${node}`);
  return {
    ...{ operator, key, publicKey: readFileSync(`${key}.pub`, 'utf8').trim(), knownHosts, show },
    findings: async (node) => (await site.get<{ items: Finding[] }>(`/v1/nodes/${node}/findings`)).items,
    async acts(node, kind) {
      const { items } = await site.get<{ items: FeedItem[] }>(`/v1/nodes/${node}/history?limit=1000`);
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
    async reach(node, state, ms = 600_000) {
      await until(
        async () => (await show(node)).state,
        (now) => now === state,
        { ms },
      );
    },
    async intend(role, section, data) {
      const file = join(site.directory, `${role}-${section}.json`);
      writeFileSync(file, JSON.stringify(data));
      await site.machinedb('intent', 'put', `role/${role}`, section, '-f', file, '--yes');
    },
  };
}
