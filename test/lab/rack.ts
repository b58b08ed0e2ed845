import { execFileSync } from 'node:child_process';
import type { NetworkIntended } from '../../shared/sections/network.ts';
import { type Operator, openOperator } from './operator.ts';
import { openSite, type Site } from './site.ts';
import { sshIntent } from './story.ts';
import { startTopOfRack, TOP_OF_RACK, topOfRackInitramfs, VLANS } from './top-of-rack.ts';
import { until } from './until.ts';

/** A site with a switch that has VLANs, and a role whose machines are in them. */
export interface Rack extends Operator {
  site: Site;
  /** Gives a machine that reports a serial number its place, name and role, and approves it. Answers its node. */
  admit(serial: string, fqdn: string, role?: string): Promise<string>;
  /** The node's addresses in the VLANs, by VLAN. */
  addresses(node: string): Promise<Record<number, string>>;
  /** Whether an operator reaches an address. */
  reaches(address: string): Promise<boolean>;
  close(): Promise<void>;
}

/** A bond with VLANs, a bridge over one of them, and a static route. */
export const fabric = {
  interfaces: {
    left: { match: { driver: 'virtio_net' } },
    right: { match: { driver: 'e1000e' } },
    bond0: { bond: { members: { left: true, right: true }, mode: 'active-backup' } },
    'bond0.100': { vlan: { id: 100, parent: 'bond0' }, addresses: { main: { network: 'v100' } } },
    storage: {
      vlan: { id: 200, parent: 'bond0' },
      addresses: { main: { network: 'v200' } },
      routes: { lab: { to: '198.51.100.0/24', via: '10.88.200.1' } },
    },
    'bond0.130': { vlan: { id: 130, parent: 'bond0' } },
    br0: { bridge: { members: { 'bond0.130': true } }, addresses: { main: { network: 'v130' } } },
  },
} satisfies NetworkIntended;

export async function openRack(): Promise<Rack> {
  const site = await openSite();
  const person = await openOperator(site);
  const topOfRack = await startTopOfRack(site, topOfRackInitramfs(site.directory));
  // What is in a VLAN is reached through the switch, and by no other way.
  const beyond = ['10.88.0.0/16', 'via', TOP_OF_RACK];
  execFileSync('ip', ['-n', site.network.name, 'route', 'add', ...beyond]);
  await person.operator('ip', ['route', 'add', ...beyond]);
  for (const id of VLANS) await putVlan(site, id);
  await site.machinedb('site', 'put', 'ams1');
  await site.machinedb('rack', 'put', 'ams1', 'r1', '--height', '42');
  await site.machinedb('role', 'put', 'fabric');
  await person.intend('fabric', 'ssh', sshIntent(person.publicKey));
  // An emulated machine that shares its processors with two others needs more than the usual minute.
  await person.intend('fabric', 'network', { ...fabric, confirm_within_s: 180 });
  const found = async (serial: string) => (await site.get<{ items: { id: string }[] }>(`/v1/nodes?q=${serial}`)).items;
  return {
    ...person,
    site,
    async admit(serial, fqdn, role = 'fabric') {
      const [item] = await until(
        () => found(serial),
        (items) => items.length === 1,
        { ms: 300_000 },
      );
      const node = item!.id;
      const place = ['--site', 'ams1', '--rack', 'r1', '--role', role, '--mode', 'enforce', '--fqdn', fqdn];
      await site.machinedb('assign', node, ...place, '--reason', 'new', '--yes');
      const { keys } = await site.machinedb<{ keys: { fingerprint: string }[] }>('show', node);
      await site.machinedb('approve', node, '--fingerprint', keys[0]!.fingerprint, '--reason', 'seen');
      await person.reach(node, 'active', 300_000).catch(async (error: Error) => {
        const acts = ['applied', 'undone', 'failed'].map((kind) => person.acts(node, `apply.${kind}`));
        const all = { findings: await person.findings(node), acts: (await Promise.all(acts)).flat() };
        throw new Error(`${error.message}: ${JSON.stringify(all, null, 1)}`);
      });
      await until(
        async () => (await person.show(node)).health,
        (health) => health === 'ok',
        { ms: 120_000 },
      );
      return node;
    },
    async addresses(node) {
      const { interfaces } = (await person.show(node)).observed.network as unknown as {
        interfaces: Record<string, { addresses?: object }>;
      };
      const all = Object.values(interfaces).flatMap((each) => Object.keys(each.addresses ?? {}));
      const inVlan = (id: number) => all.find((cidr) => cidr.startsWith(`10.88.${id}.`))?.split('/')[0] ?? '';
      return Object.fromEntries(VLANS.map((id) => [id, inVlan(id)]));
    },
    async reaches(address) {
      return (await person.operator('busybox', ['ping', '-c', '1', '-W', '2', address])).code === 0;
    },
    async close() {
      await topOfRack.close();
      await site.close();
    },
  };
}

/** A VLAN's network, with this gateway and length. */
export async function putVlan(site: Site, id: number, more: { gateway?: string; cidr?: string } = {}): Promise<void> {
  const { gateway = `10.88.${id}.1`, cidr = `10.88.${id}.0/24` } = more;
  await site.machinedb('network', 'put', `v${id}`, '--cidr', cidr, '--gateway', gateway);
}
