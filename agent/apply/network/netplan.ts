import type { WantedInterface } from '../../../shared/sections/network.ts';
import { type Files, header } from '../change.ts';
import { type Dns, type Interfaces, isOnLinkOnly, masterOf, routesOf, vlansOver } from './links.ts';

/** The last file that netplan reads, so that ours wins key by key. */
export const NETPLAN = '/etc/netplan/90-machinedb.yaml';

const groups = [
  ['ethernets', undefined],
  ['bonds', 'bond'],
  ['bridges', 'bridge'],
  ['vlans', 'vlan'],
  ['vrfs', 'vrf'],
] as const;

/** netplan(5), version 2, in YAML's flow style: every text is quoted, so it is text whatever it looks like. */
export function netplanFiles(interfaces: Interfaces, dns: Dns, macs: Record<string, string>): Files {
  const names = Object.keys(interfaces);
  if (names.length === 0) return {};
  const lines = groups.flatMap(([group, kind]) => {
    const own = names.filter((name) => interfaces[name]!.kind === kind);
    // netplan refuses a group without any.
    if (own.length === 0) return [];
    return [`  ${group}:`, ...own.flatMap((name) => entry(name, interfaces, dns, macs[name]))];
  });
  return { [NETPLAN]: { text: `${[header, 'network:', '  version: 2', ...lines].join('\n')}\n`, mode: 0o600 } };
}

function entry(name: string, interfaces: Interfaces, dns: Dns, mac: string | undefined): string[] {
  const each = interfaces[name]!;
  const { unobserved = {} } = each;
  const isMember = masterOf(interfaces, name) !== undefined;
  const members =
    each.kind === 'vrf'
      ? Object.entries(interfaces).flatMap(([other, { vrf }]) => (vrf === name ? [other] : []))
      : Object.keys(each.members ?? {});
  const routes = routesOf(each).map(({ to, via, metric, table }) =>
    map({
      to,
      via,
      ...(via === undefined ? { scope: 'link' } : isOnLinkOnly(each, via) ? { 'on-link': true } : {}),
      ...{ metric, table },
    }),
  );
  const rules = (unobserved.rules ?? []).map(({ priority, from, to, table }) => map({ from, to, table, priority }));
  // Old releases match by the MAC in use, which a bond's members and the VLANs over a port share: those go by name.
  const byMac = mac !== undefined && each.kind === undefined && !isMember && vlansOver(interfaces, name).length === 0;
  const values: Record<string, string | undefined> = {
    ...(byMac ? { match: map({ macaddress: mac }), 'set-name': quoted(name) } : {}),
    ...(name === 'lo' ? { match: map({ name }) } : {}),
    ...made(each),
    interfaces: members.length === 0 ? undefined : list(members.map(quoted)),
    mtu: each.mtu?.toString(),
    dhcp4: each.kind === 'vrf' || isMember || name === 'lo' ? undefined : String(each.dhcp4 === true),
    dhcp6: unobserved.dhcp6?.toString(),
    'accept-ra': unobserved.accept_ra?.toString(),
    addresses: each.addresses === undefined ? undefined : list(Object.keys(each.addresses).map(quoted)),
    routes: routes.length === 0 ? undefined : list(routes),
    'routing-policy': rules.length === 0 ? undefined : list(rules),
    nameservers: isMember || each.kind === 'vrf' || name === 'lo' ? undefined : nameservers(dns),
  };
  const lines = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`      ${key}: ${value}`],
  );
  return lines.length === 0 ? [`    ${quoted(name)}: {}`] : [`    ${quoted(name)}:`, ...lines];
}

function made({ kind, bond, parent, vlan, stp, unobserved }: WantedInterface): Record<string, string | undefined> {
  switch (kind) {
    case 'bond':
      return {
        parameters: map({
          mode: bond?.mode,
          'mii-monitor-interval': bond?.mii_monitor_ms,
          'lacp-rate': bond?.lacp_rate,
          'transmit-hash-policy': bond?.transmit_hash,
          'min-links': bond?.min_links,
          primary: bond?.primary,
        }),
      };
    case 'vlan':
      return { id: vlan?.toString(), link: parent === undefined ? undefined : quoted(parent) };
    case 'bridge':
      return { parameters: map({ stp: stp === true }) };
    case 'vrf':
      return { table: unobserved?.table?.toString() };
    default:
      return {};
  }
}

function nameservers({ servers, search }: Dns): string | undefined {
  if (servers === undefined && search === undefined) return undefined;
  const words = (set: Record<string, unknown> | undefined) =>
    set === undefined ? undefined : list(Object.keys(set).map(quoted));
  const parts = { addresses: words(servers), search: words(search) };
  const present = Object.entries(parts).filter(([, value]) => value !== undefined);
  return `{${present.map(([key, value]) => `${key}: ${value}`).join(', ')}}`;
}

const quoted = (text: string) => JSON.stringify(text);
const list = (items: string[]) => `[${items.join(', ')}]`;

function map(members: Record<string, string | number | boolean | undefined>): string {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  return `{${present.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')}}`;
}
