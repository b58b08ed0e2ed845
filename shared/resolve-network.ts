import { interfaceName, unmatched } from './match-port.ts';
import { contradictions } from './network-contradictions.ts';
import type { NetworkFacts, ResolveInput, Unresolvable } from './resolve.ts';
import type { NetworkIntended, NetworkWanted, WantedInterface, WantedRoute } from './sections/network.ts';

type Interfaces = NonNullable<NetworkIntended['interfaces']>;
type Interface = Interfaces[string];
type Wanted = NonNullable<NetworkWanted['interfaces']>;

/** The network of one machine: logical names become its interfaces, labels the addresses that were given out. */
export function resolveNetwork(input: ResolveInput, problems: Unresolvable[]): NetworkWanted | undefined {
  const { interfaces = {}, dns, renderer, confirm_within_s, apply } = input.intent.network ?? {};
  for (const each of contradictions({ interfaces })) problems.push({ section: 'network', ...each });
  const names = namesOf(interfaces, input.observed, problems);
  const result: Wanted = {};
  const used = new Set<string>();
  for (const [logical, name] of names) {
    const addressing = addressingOf(logical, interfaces, input, result);
    for (const network of addressing.networks) used.add(network);
    result[name] = { ...made(interfaces[logical]!, names), ...addressing.wanted };
  }
  const rows = [...used].map((network) => input.networks[network]!);
  const servers = dns?.servers ?? setOf(rows.flatMap((row) => row.dns));
  const search = dns?.search ?? setOf(rows.flatMap(({ domain }) => domain ?? []));
  const resolver = without({ servers, search });
  if (Object.keys(result).length === 0 && Object.keys(resolver).length === 0) return undefined;
  return without({
    interfaces: result,
    dns: resolver,
    unobserved: defined({ renderer, confirm_within_s, apply }),
  }) as NetworkWanted;
}

/** Logical name → the kernel's, in the order of logical names; without those that this machine cannot have. */
function namesOf(interfaces: Interfaces, observed: Record<string, unknown>, problems: Unresolvable[]) {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const [logical, intended] of Object.entries(interfaces).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = interfaceName(logical, intended.match, observed);
    const message =
      name === undefined
        ? unmatched(intended.match, observed)
        : taken.has(name)
          ? `port ${name} of this machine is meant by another interface, too: let each match a port of its own`
          : undefined;
    if (message !== undefined) problems.push({ section: 'network', path: `/interfaces/${logical}`, message });
    else {
      names.set(logical, name!);
      taken.add(name!);
    }
  }
  return names;
}

/** What an interface is made of. */
function made(intended: Interface, names: Map<string, string>): WantedInterface {
  const { bond, bridge, vlan, vrf, vrf_table, mtu } = intended;
  const members = (of: Record<string, unknown> | undefined) =>
    setOf(Object.keys(of ?? {}).flatMap((logical) => names.get(logical) ?? []));
  const common = defined({ mtu, vrf: vrf === undefined ? undefined : names.get(vrf) });
  if (bond !== undefined) {
    const { members: own, primary, mii_monitor_ms = 100, ...rest } = bond;
    const settings = defined({
      members_up: Object.keys(own).length,
      ...rest,
      mii_monitor_ms,
      primary: primary === undefined ? undefined : names.get(primary),
    });
    return { ...common, kind: 'bond', members: members(own), bond: settings };
  }
  if (bridge !== undefined)
    return { ...common, kind: 'bridge', ...without({ members: members(bridge.members) }), stp: bridge.stp ?? false };
  if (vlan !== undefined)
    return { ...common, kind: 'vlan', vlan: vlan.id, ...defined({ parent: names.get(vlan.parent) }) };
  if (vrf_table !== undefined) return { ...common, kind: 'vrf' };
  return common;
}

/** Addresses, gateways, routes and rules of an interface, and the networks that its addresses are from. */
function addressingOf(logical: string, interfaces: Interfaces, input: ResolveInput, done: Wanted) {
  const intended = interfaces[logical]!;
  const { networks } = input;
  const mine = input.allocations.filter((allocation) => allocation.interface === logical);
  const from = mine.map(({ network }) => network).filter((network) => networks[network] !== undefined);
  const gatewayOf = (six: boolean) =>
    from.map((network) => networks[network]!.gateway).find((gateway) => gateway?.includes(':') === six);
  const inVrf = intended.vrf !== undefined;
  // Those of a VRF are in its own table, which no file shows.
  const gateway = intended.gateway ?? (inVrf ? gatewayOf(false) : firstDefault(done, 'gateway', gatewayOf(false)));
  const gateway6 = intended.gateway6 ?? (inVrf ? gatewayOf(true) : firstDefault(done, 'gateway6', gatewayOf(true)));
  const table = inVrf ? interfaces[intended.vrf!]?.vrf_table : undefined;
  const { metric } = intended;
  const routes: WantedRoute[] = [
    ...(inVrf && gateway !== undefined ? [defined({ to: '0.0.0.0/0', via: gateway, metric, table })] : []),
    ...(inVrf && gateway6 !== undefined ? [defined({ to: '::/0', via: gateway6, metric, table })] : []),
    ...byLabel(intended.routes).map(({ to, ...rest }) => ({
      to: to === 'default' ? '0.0.0.0/0' : to === 'default6' ? '::/0' : to,
      ...defined({ table, ...rest }),
    })),
  ];
  const unobserved = defined({
    ...(intended.vrf_table === undefined ? {} : { table: intended.vrf_table }),
    dhcp6: intended.dhcp6 === true ? (true as const) : undefined,
    accept_ra: intended.accept_ra,
    routes: routes.length === 0 ? undefined : routes,
    rules: intended.rules === undefined ? undefined : byLabel(intended.rules),
    metric: gateway !== undefined || gateway6 !== undefined ? metric : undefined,
  });
  const addresses = mine.map(
    ({ address, network }) => [`${address}/${lengthOf(logical, address, networks[network])}`, {}] as const,
  );
  const wanted = {
    ...(intended.dhcp4 === true ? { dhcp4: true as const } : {}),
    ...without({ addresses: Object.fromEntries(addresses), routes: shown(routes), unobserved }),
    ...(inVrf ? {} : defined({ gateway, gateway6 })),
  };
  return { wanted: wanted as WantedInterface, networks: from };
}

/** The routes that the kernel's files show: of the main table, without default routes; the best of each network. */
function shown(routes: WantedRoute[]): NonNullable<WantedInterface['routes']> {
  const main = routes
    .filter(({ to, table }) => table === undefined && !to.endsWith('/0'))
    .sort((a, b) => (b.metric ?? 0) - (a.metric ?? 0));
  return Object.fromEntries(main.map(({ to, via }) => [to, via === undefined ? { on_link: true } : { gateway: via }]));
}

/** The prefix length of an address: its network's; on the loopback interface, where no network is, it is alone. */
function lengthOf(logical: string, address: string, network: NetworkFacts | undefined): string | undefined {
  if (logical === 'lo') return address.includes(':') ? '128' : '32';
  return network?.cidr.split('/')[1];
}

/** A network's own gateway makes one default route: of the first interface, by name, that has such a network. */
function firstDefault(done: Wanted, key: 'gateway' | 'gateway6', gateway: string | undefined): string | undefined {
  return Object.values(done).some((other) => other[key] !== undefined) ? undefined : gateway;
}

function byLabel<Value>(values: Record<string, Value> | undefined): Value[] {
  return Object.entries(values ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);
}

/** Without members that are undefined. */
function defined<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

/** Without members that are empty objects. */
function without<T extends Record<string, object>>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => Object.keys(value).length > 0)) as Partial<T>;
}

function setOf(items: string[]): Record<string, true> {
  return Object.fromEntries(items.map((item) => [item, true as const]));
}
