import type { WantedInterface, WantedRoute } from '../../../shared/sections/network.ts';
import { type Files, header } from '../change.ts';
import { type Dns, type Interfaces, isOnLinkOnly, masterOf, routesOf, vlansOver } from './links.ts';

const FOLDER = '/etc/systemd/network';
/** Ours come before those of the distribution and of people, which begin with higher numbers. */
export const prefix = `${FOLDER}/10-machinedb-`;

/**
 * The files of systemd.network(5) and systemd.netdev(5).
 *
 * @param macs permanent MAC by interface: what a file matches by, so that another name does not lose it
 */
export function networkdFiles(interfaces: Interfaces, dns: Dns, macs: Record<string, string>): Files {
  const files: Files = {};
  for (const [name, each] of Object.entries(interfaces)) {
    const netdev = netdevText(name, each);
    if (netdev !== undefined) files[`${prefix}${name}.netdev`] = { text: netdev, mode: 0o644 };
    files[`${prefix}${name}.network`] = { text: networkText(name, interfaces, dns, macs[name]), mode: 0o644 };
  }
  return files;
}

function netdevText(name: string, { kind, bond, vlan, stp, unobserved }: WantedInterface): string | undefined {
  if (kind === undefined) return undefined;
  const sections: Record<typeof kind, () => string[]> = {
    bond: () => [
      '[Bond]',
      ...setting('Mode', bond?.mode),
      ...setting('MIIMonitorSec', bond?.mii_monitor_ms === undefined ? undefined : `${bond.mii_monitor_ms}ms`),
      ...setting('LACPTransmitRate', bond?.lacp_rate),
      ...setting('TransmitHashPolicy', bond?.transmit_hash),
      ...setting('MinLinks', bond?.min_links),
    ],
    vlan: () => ['[VLAN]', ...setting('Id', vlan)],
    bridge: () => ['[Bridge]', `STP=${stp === true ? 'yes' : 'no'}`],
    vrf: () => ['[VRF]', ...setting('Table', unobserved?.table)],
  };
  return text([header, '[NetDev]', `Name=${name}`, `Kind=${kind}`, '', ...sections[kind]()]);
}

function networkText(name: string, interfaces: Interfaces, dns: Dns, mac: string | undefined): string {
  const each = interfaces[name]!;
  const master = masterOf(interfaces, name);
  const { unobserved = {} } = each;
  const isPrimary = master?.kind === 'bond' && interfaces[master.name]?.bond?.primary === name;
  const addressed = master === undefined && each.kind !== 'vrf' && name !== 'lo';
  return text([
    header,
    '[Match]',
    mac === undefined || each.kind !== undefined ? `Name=${name}` : `PermanentMACAddress=${mac}`,
    ...(each.mtu === undefined ? [] : ['', '[Link]', `MTUBytes=${each.mtu}`]),
    '',
    '[Network]',
    ...(master === undefined ? [] : [`${master.kind === 'bond' ? 'Bond' : 'Bridge'}=${master.name}`]),
    ...(isPrimary ? ['PrimarySlave=yes'] : []),
    ...vlansOver(interfaces, name).map((vlan) => `VLAN=${vlan}`),
    ...setting('VRF', each.vrf),
    ...(addressed ? [`DHCP=${dhcp(each)}`] : []),
    ...(unobserved.accept_ra === undefined ? [] : [`IPv6AcceptRA=${unobserved.accept_ra ? 'yes' : 'no'}`]),
    // A bridge without a member that is up has no carrier, and its addresses are its host's all the same.
    ...(each.kind === 'bridge' ? ['ConfigureWithoutCarrier=yes'] : []),
    ...Object.keys(each.addresses ?? {}).map((address) => `Address=${address}`),
    ...(addressed ? Object.keys(dns.servers ?? {}).map((server) => `DNS=${server}`) : []),
    ...(addressed && dns.search !== undefined ? [`Domains=${Object.keys(dns.search).join(' ')}`] : []),
    ...routesOf(each).flatMap((route) => ['', ...routeLines(each, route)]),
    ...(unobserved.rules ?? []).flatMap(({ priority, from, to, table }) => [
      ...['', '[RoutingPolicyRule]', `Priority=${priority}`],
      ...[...setting('From', from), ...setting('To', to), `Table=${table}`],
    ]),
  ]);
}

function dhcp({ dhcp4, unobserved }: WantedInterface): string {
  if (dhcp4 === true) return unobserved?.dhcp6 === true ? 'yes' : 'ipv4';
  return unobserved?.dhcp6 === true ? 'ipv6' : 'no';
}

function routeLines(each: WantedInterface, { to, via, metric, table }: WantedRoute): string[] {
  return [
    '[Route]',
    `Destination=${to}`,
    ...setting('Gateway', via),
    ...(via !== undefined && isOnLinkOnly(each, via) ? ['GatewayOnLink=yes'] : []),
    ...(via === undefined ? ['Scope=link'] : []),
    ...setting('Metric', metric),
    ...setting('Table', table),
  ];
}

const setting = (key: string, value: string | number | undefined) => (value === undefined ? [] : [`${key}=${value}`]);
const text = (lines: string[]) => `${lines.join('\n')}\n`;
