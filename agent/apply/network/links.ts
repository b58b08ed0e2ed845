import { canonical } from '../../../shared/canonical.ts';
import { canonicalIp, networkOf } from '../../../shared/ip.ts';
import type { NetworkWanted, WantedInterface, WantedRoute } from '../../../shared/sections/network.ts';

export type Interfaces = NonNullable<NetworkWanted['interfaces']>;
export type Dns = NonNullable<NetworkWanted['dns']>;

/** The bond or bridge that an interface is a member of. */
export function masterOf(interfaces: Interfaces, name: string): { kind: 'bond' | 'bridge'; name: string } | undefined {
  for (const [master, { kind, members }] of Object.entries(interfaces))
    if ((kind === 'bond' || kind === 'bridge') && members?.[name] === true) return { kind, name: master };
  return undefined;
}

/** The VLANs over an interface. */
export function vlansOver(interfaces: Interfaces, name: string): string[] {
  return Object.entries(interfaces).flatMap(([vlan, { parent }]) => (parent === name ? [vlan] : []));
}

/** The interfaces in an order in which each comes after those it is made of. */
export function inOrder(interfaces: Interfaces): [string, WantedInterface][] {
  const done = new Map<string, WantedInterface>();
  const add = (name: string) => {
    const each = interfaces[name];
    if (each === undefined || done.has(name)) return;
    for (const other of [...Object.keys(each.members ?? {}), each.parent, each.vrf])
      if (other !== undefined) add(other);
    done.set(name, each);
  };
  for (const name of Object.keys(interfaces).sort()) add(name);
  return [...done];
}

/** Every route of an interface, its default gateways among them. */
export function routesOf({ gateway, gateway6, unobserved = {} }: WantedInterface): WantedRoute[] {
  const metric = unobserved.metric === undefined ? {} : { metric: unobserved.metric };
  return [
    ...(gateway === undefined ? [] : [{ to: '0.0.0.0/0', via: gateway, ...metric }]),
    ...(gateway6 === undefined ? [] : [{ to: '::/0', via: gateway6, ...metric }]),
    ...(unobserved.routes ?? []),
  ];
}

/** Whether no network of the interface holds a gateway: it is on the link all the same, as in clouds that give a /32. */
export function isOnLinkOnly({ addresses = {} }: WantedInterface, via: string): boolean {
  return !Object.keys(addresses).some((cidr) => {
    const [address = '', length = ''] = cidr.split('/');
    const same = address.includes(':') === via.includes(':');
    return same && networkOf(address, Number(length)) === networkOf(via, Number(length));
  });
}

/** How this machine speaks with a host: from one of its addresses, and maybe in a VRF. */
export interface Way {
  address: string;
  vrf?: string;
}

/**
 * The way to a host that is wanted: a network that holds it, or one whose default gateway leads there; in the main table before
 * one in a VRF. Undefined: the kernel chooses, as for a name, or where addresses come by DHCP.
 */
export function wayTo(interfaces: Interfaces, host: string): Way | undefined {
  const target = canonicalIp(host.replace(/^\[|\]$/g, ''));
  if (target === undefined) return undefined;
  const same = (address: string) => address.includes(':') === target.includes(':');
  const holding = (port: WantedInterface, other: string) =>
    Object.keys(port.addresses ?? {}).find((cidr) => same(cidr) && !isOnLinkOnly({ addresses: { [cidr]: {} } }, other));
  const ports = Object.values(interfaces).sort((a, b) => Number(a.vrf !== undefined) - Number(b.vrf !== undefined));
  const nextHops: ((port: WantedInterface) => string | undefined)[] = [
    () => target,
    (port) => defaultGateway(port, same),
  ];
  for (const nextHop of nextHops)
    for (const port of ports) {
      const via = nextHop(port);
      const address = via === undefined ? undefined : holding(port, via)?.split('/')[0];
      if (address !== undefined) return { address, ...(port.vrf === undefined ? {} : { vrf: port.vrf }) };
    }
  return undefined;
}

const defaultGateway = (port: WantedInterface, same: (address: string) => boolean) =>
  routesOf(port).find(({ to, via }) => /^(0\.0\.0\.0|::)\/0$/.test(to) && via !== undefined && same(via))?.via;

/** What makes a link that software makes what it is: a change of it takes a new link. */
export type Links = Record<string, string>;

export function linksOf(interfaces: Interfaces): Links {
  const virtual = Object.entries(interfaces).filter(([, { kind }]) => kind !== undefined);
  return Object.fromEntries(
    virtual.map(([name, { kind, bond: { members_up, ...bond } = {}, parent, vlan, unobserved }]) => [
      name,
      canonical({ kind, bond, parent: parent ?? null, vlan: vlan ?? null, table: unobserved?.table ?? null }),
    ]),
  );
}

/** The links of `from` that `to` lacks or has otherwise: they go before the files of `to` are in force. */
export function linksToRemove(from: Links, to: Links): string[] {
  return Object.keys(from).filter((name) => from[name] !== to[name]);
}
