import { type Operator, openOperator } from './operator.ts';
import type { Guest } from './qemu.ts';
import { openRepository, type Repository } from './repository.ts';
import { catalogue, type Machine, openSite, powerOn, SERVER, type Site, type SiteOptions } from './site.ts';
import { until } from './until.ts';

/** A site with a role to install: what an SRE prepares once, and what he does with each machine. */
export interface Story extends Operator {
  site: Site;
  repository: Repository;
  /** Powers a machine on, and waits until it was discovered. Answers its node and the fingerprint on its console. */
  discover(machine: Machine): Promise<{ node: string; fingerprint: string; guest: Guest }>;
  /** Assigns, approves and asks for the install. */
  order(node: string, fingerprint: string, fqdn: string, address: string, wipe?: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openStory(options?: SiteOptions): Promise<Story> {
  const site = await openSite(options);
  await catalogue(site, 'discovery');
  await catalogue(site, 'baseOs');
  const repository = openRepository(site.network, site.directory, SERVER);
  const person = await openOperator(site);
  await prepare(site, person, repository);
  return {
    ...person,
    ...{ site, repository },
    async discover(machine) {
      const guest = powerOn(site, machine);
      try {
        const line = await guest.line(/this machine is node/, 300_000);
        const node = /node ([0-9a-f-]{36})/.exec(line)![1]!;
        const fingerprint = /key is (SHA256:\S+?),/.exec(line)![1]!;
        await until(
          async () => (await person.show(node)).macs,
          (macs) => macs.includes(machine.mac),
          { ms: 30_000 },
        );
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
    async close() {
      repository.close();
      await site.close();
    },
  };
}

/** How root is reached on a node: by the operator's key, and the CA's word for the host. */
export const sshIntent = (publicKey: string) => ({
  password_authentication: false,
  permit_root_login: 'prohibit-password',
  host_certificate: true,
  authorized_keys: { root: { operator: publicKey } },
});

async function prepare(site: Site, { intend, publicKey }: Operator, repository: Repository): Promise<void> {
  await site.machinedb('site', 'put', 'ams1');
  await site.machinedb('rack', 'put', 'ams1', 'r1', '--height', '42');
  await site.machinedb('role', 'put', 'base');
  await putNetwork(site, SERVER);
  await intend('base', 'ssh', sshIntent(publicKey));
  const source = { uris: { [repository.uri]: true }, suites: { lab: true }, components: { main: true } };
  await intend('base', 'repos', { apt: { lab: { ...source, key: repository.key } } });
  await intend('base', 'image', { name: site.images.baseOs.name });
}

/** The lab's network with this gateway. */
export async function putNetwork(site: Site, gateway: string): Promise<void> {
  const given = ['--cidr', '10.77.0.0/24', '--gateway', gateway, '--domain', 'lab.example.org'];
  await site.machinedb('network', 'put', 'lab', ...given);
}
