import type { WantedInterface } from '../../../shared/sections/network.ts';
import { type Files, header } from '../change.ts';
import { type Interfaces, inOrder, isOnLinkOnly, routesOf } from './links.ts';

/** Read by "source /etc/network/interfaces.d/*", which Debian's and Proxmox's interfaces(5) have. */
export const IFUPDOWN = '/etc/network/interfaces.d/machinedb';

/** How networking.service of ifupdown2 is ordered: as Debian ships it, it waits for nothing. */
export const IFUPDOWN2_UNIT = '/etc/systemd/system/networking.service.d/10-machinedb.conf';
/**
 * The ports are there (or 90 s are over: systemd-system.conf(5), DefaultDeviceTimeoutSec), the disk is writable, and a change that was
 * not confirmed is undone before it reads its files; what needs a network waits for it.
 */
function unitOf(interfaces: Interfaces): string {
  // What nothing makes is there when its driver is.
  const ports = Object.keys(interfaces).filter((name) => name !== 'lo' && interfaces[name]!.kind === undefined);
  const devices = ports.sort().map((name) => ` sys-subsystem-net-devices-${name.replaceAll('-', '\\x2d')}.device`);
  return `${header}
[Unit]
Wants=network-pre.target${devices.join('')}
After=local-fs.target systemd-modules-load.service systemd-sysctl.service systemd-udev-trigger.service network-pre.target${devices.join('')}
Before=network.target

[Service]
ExecStartPre=-udevadm settle --timeout=60
`;
}

const kernelName = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/;

export type Flavour = 'ifupdown' | 'ifupdown2';

/**
 * The stanzas of interfaces(5). ifupdown makes links by iproute2, which it depends on: its own words for them need packages
 * (ifenslave, vlan, bridge-utils) that may be absent. ifupdown2 knows them by itself, and needs its unit ordered.
 */
export function ifupdownFiles(interfaces: Interfaces, macs: Record<string, string>, flavour: Flavour): Files {
  if (Object.keys(interfaces).length === 0) return {};
  // Its lines are commands: what the kernel allows in a name must not become one.
  const odd = Object.keys(interfaces).find((name) => !kernelName.test(name));
  if (odd !== undefined)
    throw new Error(`interface "${odd}" has a name that ifupdown cannot take: rename it, or use networkd`);
  const stanzas = inOrder(interfaces).flatMap(([name, each]) => ['', ...stanzasOf(name, each, macs, flavour)]);
  return {
    [IFUPDOWN]: { text: `${[header, ...stanzas].join('\n')}\n`, mode: 0o644 },
    ...(flavour === 'ifupdown2' ? { [IFUPDOWN2_UNIT]: { text: unitOf(interfaces), mode: 0o644 } } : {}),
  };
}

function stanzasOf(name: string, each: WantedInterface, macs: Record<string, string>, flavour: Flavour): string[] {
  const addresses = Object.keys(each.addresses ?? {});
  const link = [
    ...(flavour === 'ifupdown' ? madeByIproute(name, each, macs) : madeByWords(each)),
    // A member is set to its size before it joins, and is up by its master.
    ...(each.mtu === undefined
      ? []
      : flavour === 'ifupdown2'
        ? [`mtu ${each.mtu}`]
        : [`pre-up ip link set dev ${name} mtu ${each.mtu}`]),
    ...(each.vrf === undefined
      ? []
      : [flavour === 'ifupdown2' ? `vrf ${each.vrf}` : `pre-up ip link set dev ${name} master ${each.vrf}`]),
  ];
  const rest = [...routeLines(name, each), ...ruleLines(each)];
  const up = flavour === 'ifupdown' && name !== 'lo' ? [`up ip link set dev ${name} up`] : [];
  const acceptRa = each.unobserved?.accept_ra;
  const ra =
    acceptRa === undefined || flavour === 'ifupdown2'
      ? []
      : [`pre-up echo ${acceptRa ? 2 : 0} > /proc/sys/net/ipv6/conf/${name}/accept_ra`];
  const methods = [
    ...(each.dhcp4 === true ? ['inet dhcp'] : []),
    ...(each.unobserved?.dhcp6 === true ? ['inet6 dhcp'] : []),
    ...addresses.map((address) => `${address.includes(':') ? 'inet6' : 'inet'} static\n    address ${address}`),
  ];
  // The first stanza makes the link, the last has what needs the addresses.
  const all = methods.length === 0 ? ['inet manual'] : methods;
  const lines = all.map((method, i) =>
    [
      `iface ${name} ${method}`,
      ...[
        ...(i === 0 ? [...link, ...ra, ...(method === 'inet manual' ? up : [])] : []),
        ...(i === all.length - 1 ? rest : []),
      ].map((line) => `    ${line}`),
    ].join('\n'),
  );
  return [`auto ${name}`, ...lines];
}

function madeByIproute(name: string, each: WantedInterface, macs: Record<string, string>): string[] {
  const { kind, bond, parent, vlan, members = {}, stp, unobserved } = each;
  const add = (words: string) => [
    `pre-up ip link show dev ${name} >/dev/null 2>&1 || ip link add ${words}`,
    `post-down ip link del dev ${name}`,
  ];
  const join = Object.keys(members).flatMap((member) => [
    // A port joins a bond while it is down (Documentation/networking/bonding.rst).
    ...(kind === 'bond' ? [`pre-up ip link set dev ${member} down`] : []),
    `pre-up ip link set dev ${member} master ${name}`,
    `pre-up ip link set dev ${member} up`,
  ]);
  const words = (key: string, value: string | number | undefined) => (value === undefined ? '' : ` ${key} ${value}`);
  switch (kind) {
    case 'bond':
      // With its first member's MAC from the start: udev gives one without a MAC of its own making, and VLANs keep the one
      // they were made with.
      return [
        ...add(
          `${name}${words('address', macs[Object.keys(members).sort()[0]!])} type bond${words('mode', bond?.mode)}${words('miimon', bond?.mii_monitor_ms)}${words('lacp_rate', bond?.lacp_rate)}${words('xmit_hash_policy', bond?.transmit_hash)}${words('min_links', bond?.min_links)}`,
        ),
        ...join,
        ...(bond?.primary === undefined ? [] : [`pre-up ip link set dev ${name} type bond primary ${bond.primary}`]),
      ];
    case 'bridge':
      return [...add(`${name} type bridge stp_state ${stp === true ? 1 : 0}`), ...join];
    case 'vlan':
      return add(`link ${parent} name ${name} type vlan id ${vlan}`);
    case 'vrf':
      return [...add(`${name} type vrf table ${unobserved?.table}`), `pre-up ip link set dev ${name} up`];
    default:
      return [];
  }
}

function madeByWords(each: WantedInterface): string[] {
  const { kind, bond, parent, vlan, members = {}, stp, unobserved } = each;
  const words = (key: string, value: string | number | undefined) => (value === undefined ? [] : [`${key} ${value}`]);
  const names = Object.keys(members).join(' ');
  switch (kind) {
    case 'bond':
      return [
        ...[`bond-slaves ${names}`, ...words('bond-mode', bond?.mode), ...words('bond-miimon', bond?.mii_monitor_ms)],
        ...words('bond-lacp-rate', bond?.lacp_rate),
        ...words('bond-xmit-hash-policy', bond?.transmit_hash),
        ...words('bond-min-links', bond?.min_links),
        ...words('bond-primary', bond?.primary),
      ];
    case 'bridge':
      return [
        `bridge-ports ${names === '' ? 'none' : names}`,
        `bridge-stp ${stp === true ? 'on' : 'off'}`,
        'bridge-fd 0',
      ];
    case 'vlan':
      return [...words('vlan-raw-device', parent), ...words('vlan-id', vlan)];
    case 'vrf':
      return words('vrf-table', unobserved?.table);
    default:
      return [];
  }
}

function routeLines(name: string, each: WantedInterface): string[] {
  return routesOf(each).map(({ to, via, metric, table }) => {
    const words = [
      ...[to, ...(via === undefined ? [] : ['via', via]), 'dev', name],
      ...(via !== undefined && isOnLinkOnly(each, via) ? ['onlink'] : []),
      ...(metric === undefined ? [] : ['metric', metric]),
      ...(table === undefined ? [] : ['table', table]),
    ];
    return `up ip route replace ${words.join(' ')}`;
  });
}

function ruleLines({ unobserved }: WantedInterface): string[] {
  return (unobserved?.rules ?? []).flatMap(({ priority, from, to, table }) => {
    const words = [
      ...['priority', priority],
      ...(from === undefined ? [] : ['from', from]),
      ...(to === undefined ? [] : ['to', to]),
      ...['table', table],
    ].join(' ');
    const ip = (from ?? to ?? '').includes(':') ? 'ip -6' : 'ip';
    return [`up ${ip} rule add ${words}`, `down ${ip} rule del ${words}`];
  });
}
