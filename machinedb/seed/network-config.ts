import type { NetworkWanted, WantedInterface } from '../../shared/sections/network.ts';
import { yaml } from './yaml.ts';

type Interfaces = NonNullable<NetworkWanted['interfaces']>;

/**
 * A wanted network as cloud-init's network configuration, version 2. Only what cloud-init 20.4 and 22.4 make of it themselves, where
 * no netplan exists: ports, bonds, VLANs, bridges; addresses, routes of the main table, name servers. VRFs, what is in one, rules and
 * other tables are left out: those are the agent's.
 *
 * @param macs interface → MAC, as the machine reports them
 */
export function networkConfig({ interfaces = {}, dns }: NetworkWanted, macs: Record<string, string>): string {
  const plain = Object.fromEntries(
    Object.entries(interfaces).filter(([name, { kind, vrf }]) => kind !== 'vrf' && vrf === undefined && name !== 'lo'),
  );
  const group = (kind: WantedInterface['kind'], more: (name: string, each: WantedInterface) => object) => {
    const own = Object.entries(plain).filter(([, each]) => each.kind === kind);
    if (own.length === 0) return undefined;
    return Object.fromEntries(own.map(([name, each]) => [name, { ...more(name, each), ...common(plain, name, dns) }]));
  };
  const groups = {
    ethernets: group(undefined, (name) => matched(name, macs[name])),
    bonds: group('bond', (_, { members, bond = {} }) => ({
      interfaces: Object.keys(members ?? {}),
      parameters: {
        mode: bond.mode,
        'mii-monitor-interval': bond.mii_monitor_ms,
        'lacp-rate': bond.lacp_rate,
        'transmit-hash-policy': bond.transmit_hash,
        'min-links': bond.min_links,
        primary: bond.primary,
      },
    })),
    bridges: group('bridge', (_, { members, stp }) => ({
      interfaces: Object.keys(members ?? {}),
      parameters: { stp: stp === true },
    })),
    vlans: group('vlan', (_, { vlan, parent }) => ({ id: vlan, link: parent })),
  };
  return Object.values(groups).some((members) => members !== undefined) ? yaml({ version: 2, ...groups }) : '';
}

/** Also its name: cloud-init 20.4 and 22.4 write files by name, which another kernel may have told. */
function matched(name: string, mac: string | undefined): object {
  return mac === undefined ? {} : { match: { macaddress: mac.toLowerCase() }, 'set-name': name };
}

function common(all: Interfaces, name: string, dns: NetworkWanted['dns']): object {
  const each = all[name]!;
  if (Object.values(all).some(({ members }) => members !== undefined && name in members))
    return { mtu: each.mtu, dhcp4: false };
  const { gateway, gateway6, unobserved = {} } = each;
  const { metric } = unobserved;
  // "default" is newer than 20.4.
  const routes = [
    ...(gateway === undefined ? [] : [{ to: '0.0.0.0/0', via: gateway, metric }]),
    ...(gateway6 === undefined ? [] : [{ to: '::/0', via: gateway6, metric }]),
    ...(unobserved.routes ?? []).flatMap(({ table, ...route }) =>
      table === undefined && route.via !== undefined ? [route] : [],
    ),
  ];
  const addresses = Object.keys(each.addresses ?? {});
  return {
    mtu: each.mtu,
    dhcp4: each.dhcp4 === true,
    dhcp6: unobserved.dhcp6,
    'accept-ra': unobserved.accept_ra,
    addresses: addresses.length === 0 ? undefined : addresses,
    routes: routes.length === 0 ? undefined : routes,
    nameservers: addresses.length === 0 || dns === undefined ? undefined : resolver(dns),
  };
}

function resolver({ servers = {}, search = {} }: NonNullable<NetworkWanted['dns']>): object {
  const list = (set: object) => (Object.keys(set).length === 0 ? undefined : Object.keys(set));
  return { addresses: list(servers), search: list(search) };
}
