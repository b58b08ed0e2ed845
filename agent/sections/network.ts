import { networkOf } from '../../shared/ip.ts';
import type { Network } from '../../shared/sections/network.ts';
import { type Address, parseAddresses, parseAddresses6, parseLocal, placeAddresses } from '../network/addresses.ts';
import { isPhysical, kindOf, type Netdev, netdevs, unicastMac } from '../network/netdev.ts';
import { dnsOf } from '../network/resolver.ts';
import { parseRoutes, parseRoutes6, type Route } from '../network/routes.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { ADDRESSES, type System } from '../system.ts';

// A router with more routes than this learns them from its peers: they come and go.
const mostRoutes = 100;

/**
 * The machine's own interfaces (ports, and the bonds, VLANs and bridges over them), their global addresses and routes,
 * and its name servers, out of files alone: what a child process or netlink would tell a captured tree could not.
 */
export function observe(system: System): Network | undefined {
  const owned = netdevs(system).flatMap((netdev) => {
    const kind = ownedKind(system, netdev);
    return kind === undefined ? [] : [{ netdev, kind }];
  });
  const text = (path: string) => system.read(path) ?? '';
  const routes = [...parseRoutes(text('/proc/net/route')), ...parseRoutes6(text('/proc/net/ipv6_route'))];
  const known = parseAddresses(text(ADDRESSES));
  const homeless = parseLocal(text('/proc/net/fib_trie')).filter(
    (address) => !known.some(({ cidr }) => cidr.startsWith(`${address}/`)),
  );
  const addresses = [...known, ...placeAddresses(homeless, routes), ...parseAddresses6(text('/proc/net/if_inet6'))];
  const vlans = parseVlans(text('/proc/net/vlan/config'));
  const names = new Set(owned.map(({ netdev }) => netdev.name));
  // The loopback interface is the machine's own where it has addresses of the network, as routers and hosts with BGP do.
  const shown = owned.filter(({ kind }) => kind !== 'loopback' || addresses.some((each) => each.interface === 'lo'));
  const interfaces = shown.map(({ netdev, kind }) => {
    const { name, folder } = netdev;
    const value = {
      kind,
      mac: kindOf(system, netdev) === 'ethernet' ? unicastMac(system.read(`${folder}/address`)) : undefined,
      mtu: whole(system.read(`${folder}/mtu`)),
      dhcp4: hasLease(system, name, system.read(`${folder}/ifindex`)?.trim()) ? true : undefined,
      ...addressing(
        addresses.filter((each) => each.interface === name),
        routes.filter((each) => each.interface === name),
      ),
      members: members(system, folder, names),
      bond: kind === 'bond' ? bondOf(system, folder) : undefined,
      stp: kind === 'bridge' ? flag(system.read(`${folder}/bridge/stp_state`)) : undefined,
      vrf: vrfOf(system, folder),
      ...(kind === 'vlan' ? vlans.get(name) : undefined),
    };
    return { keys: [name], value };
  });
  const dns = dnsOf(system);
  if (interfaces.length === 0 && dns === undefined) return undefined;
  return { interfaces: keyed(interfaces), dns };
}

type Kind = 'physical' | 'loopback' | 'bond' | 'bridge' | 'vlan' | 'vrf';

function ownedKind(system: System, netdev: Netdev): Kind | undefined {
  const { name, folder } = netdev;
  if (name === 'lo') return 'loopback';
  if (isPhysical(system, netdev)) return kindOf(system, netdev) === undefined ? undefined : 'physical';
  if (system.list(`${folder}/bonding`).length > 0) return 'bond';
  if (system.list(`${folder}/bridge`).length > 0) return madeByOthers.test(name) ? undefined : 'bridge';
  if (/^DEVTYPE=vlan$/m.test(system.read(`${folder}/uevent`) ?? '')) return 'vlan';
  return isVrf(system, folder) ? 'vrf' : undefined;
}

const [IFF_NOARP, IFF_MASTER] = [0x80, 0x400];

/** A VRF says nowhere in sysfs that it is one; it alone is a master that asks for no neighbours (drivers/net/vrf.c). */
function isVrf(system: System, folder: string): boolean {
  const flags = Number(system.read(`${folder}/flags`)?.trim() ?? 0);
  return (flags & IFF_NOARP) !== 0 && (flags & IFF_MASTER) !== 0;
}

/** Settings as the kernel's Documentation/networking/bonding.rst names them; sysfs shows them as 'layer3+4 1'. */
function bondOf(system: System, folder: string) {
  const word = (name: string) => system.read(`${folder}/bonding/${name}`)?.split(' ')[0] || undefined;
  const mode = word('mode');
  if (mode === undefined) return undefined;
  const members = system.read(`${folder}/bonding/slaves`)?.split(/\s+/).filter(Boolean) ?? [];
  const up = members.filter((name) => system.read(`/sys/class/net/${name}/bonding_slave/mii_status`) === 'up');
  const hashes = ['802.3ad', 'balance-xor', 'balance-tlb', 'balance-alb'].includes(mode);
  return {
    mode,
    lacp_rate: mode === '802.3ad' ? word('lacp_rate') : undefined,
    transmit_hash: hashes ? word('xmit_hash_policy') : undefined,
    mii_monitor_ms: whole(word('miimon')),
    min_links: mode === '802.3ad' ? whole(word('min_links')) : undefined,
    primary: word('primary'),
    members_up: up.length,
  };
}

/** The VRF that an interface is in: the kernel makes that its master. */
function vrfOf(system: System, folder: string): string | undefined {
  const master = system.link(`${folder}/master`)?.split('/').at(-1);
  if (master === undefined) return undefined;
  return isVrf(system, `/sys/class/net/${master}`) ? master : undefined;
}

const flag = (text: string | undefined) => (text === undefined ? undefined : text !== '0');

/** Whether systemd-networkd or dhclient holds a lease for the interface: the kernel does not say where an address came from. */
function hasLease(system: System, name: string, index: string | undefined): boolean {
  const files = [`/run/systemd/netif/leases/${index}`, `/var/lib/dhcp/dhclient.${name}.leases`];
  return files.some((file) => /^ADDRESS=|fixed-address/m.test(system.read(file) ?? ''));
}

// Bridges of Docker, Podman, nerdctl, CNI plug-ins, Kubernetes, libvirt, LXC and LXD.
const madeByOthers =
  /^(docker\d|docker_gwbridge|br-[0-9a-f]{12}$|podman\d|nerdctl\d|cni|cbr\d|kube|weave|virbr|lxcbr|lxdbr|incusbr)/;

function addressing(addresses: Address[], routes: Route[]) {
  const gateway = (destination: string) =>
    routes.filter((route) => route.destination === destination).sort((a, b) => a.metric - b.metric)[0]?.gateway;
  const own = new Set(
    addresses.map(({ cidr }) => networkOf(cidr.replace(/\/.*/, ''), Number(cidr.replace(/.*\//, '')))),
  );
  const others = new Map<string, { gateway: string } | { on_link: true }>();
  for (const route of routes.toSorted((a, b) => a.metric - b.metric)) {
    const { destination, gateway: via } = route;
    if (destination.endsWith('/0') || (via === undefined && own.has(destination)) || others.has(destination)) continue;
    others.set(destination, via === undefined ? { on_link: true } : { gateway: via });
  }
  return {
    addresses: Object.fromEntries(addresses.map(({ cidr, family, dynamic }) => [cidr, { family, dynamic }])),
    gateway: gateway('0.0.0.0/0'),
    gateway6: gateway('::/0'),
    routes: keyed(
      [...others].map(([destination, value]) => ({ keys: [destination], value })),
      mostRoutes,
    ),
  };
}

function members(system: System, folder: string, owned: Set<string>): Record<string, true> | undefined {
  const names = system.read(`${folder}/bonding/slaves`)?.split(/\s+/) ?? system.list(`${folder}/brif`);
  const own = names.filter((name) => owned.has(name));
  return own.length === 0 ? undefined : Object.fromEntries(own.map((name) => [name, true]));
}

// 'eth0.1015      | 1015  | eth0', below two lines of heading.
function parseVlans(config: string): Map<string, { vlan: number; parent: string }> {
  const rows = [...config.matchAll(/^(\S+)\s*\|\s*(\d+)\s*\|\s*(\S+)\s*$/gm)];
  return new Map(rows.map(([, name = '', id, parent = '']) => [name, { vlan: Number(id), parent }]));
}
