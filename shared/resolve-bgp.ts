import { interfaceName } from './match-port.ts';
import type { ResolveInput, Unresolvable } from './resolve.ts';
import { type BgpIntended, type BgpWanted, frrInterface } from './sections/bgp.ts';
import type { NetworkWanted } from './sections/network.ts';

type Intended = NonNullable<BgpIntended['neighbors']>[string];
type Neighbor = NonNullable<BgpWanted['neighbors']>[string];

export interface BgpInput {
  intended: BgpIntended | undefined;
  /** The kernel's name of an interface that the intent names; undefined: this machine has none such. */
  nameOf: (logical: string) => string | undefined;
  /** The node's IPv4 addresses without prefix length; the first is its router id when none is intended. */
  addresses: string[];
}

/** What BGP takes from the network: kernel names, and the loopback's address before those of ports. */
export function bgpInput({ intent, observed }: ResolveInput, network: NetworkWanted | undefined): BgpInput {
  const intended = intent.network?.interfaces ?? {};
  const { interfaces: seen = {} } = (observed.network ?? {}) as NetworkWanted;
  const ports = Object.values((observed.nics ?? {}) as Record<string, { name?: string }>).map(({ name }) => name);
  const known = new Set(['lo', ...ports, ...Object.keys(seen)]);
  const nameOf = (logical: string) => {
    const own = intended[logical];
    if (own !== undefined) return interfaceName(logical, own.match, observed);
    // A machine that has not reported its ports yet can still be told by name.
    return known.has(logical) || known.size === 1 ? logical : undefined;
  };
  const loopbacks = ['lo', nameOf('loopback')];
  const rank = ([name]: [string, unknown]) => (loopbacks.includes(name) ? 0 : 1);
  const addresses = [network?.interfaces ?? {}, seen].flatMap((interfaces) =>
    Object.entries(interfaces)
      .sort((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1))
      .flatMap(([, port]) =>
        Object.keys(port.addresses ?? {})
          .sort()
          .map((address) => address.split('/')[0]!),
      )
      .filter((address) => !address.includes(':') && !address.startsWith('127.')),
  );
  return { intended: intent.bgp, nameOf, addresses };
}

/**
 * BGP in this machine's names. What an intent lacks or names in vain is a problem, and the neighbour is left out; without an
 * AS number or a router id there is no BGP at all.
 */
export function resolveBgp({ intended, nameOf, addresses }: BgpInput, problems: Unresolvable[]): BgpWanted | undefined {
  if (intended === undefined || Object.keys(intended).length === 0) return undefined;
  const problem = (path: string, message: string) => {
    problems.push({ section: 'bgp', path, message });
    return undefined;
  };
  const { asn, router_id = addresses[0], vrf, bfd, multipath, announce } = intended;
  if (asn === undefined) return problem('/asn', 'BGP needs an AS number: set asn on the node, its rack or its role');
  if (router_id === undefined)
    return problem('/router_id', 'this node has no IPv4 address to take as its router id: set router_id');
  const neighbors = new Map<string, Neighbor>();
  for (const [label, neighbor] of Object.entries(intended.neighbors ?? {}).sort(byKey)) {
    const found = resolveNeighbor(neighbor, nameOf);
    if (typeof found === 'string') problem(`/neighbors/${label}`, found);
    else if (neighbors.has(found.key)) problem(`/neighbors/${label}`, `${found.key} is another neighbour, too`);
    else neighbors.set(found.key, found.neighbor);
  }
  return {
    asn,
    router_id,
    ...(vrf === undefined ? {} : { vrf }),
    ...(neighbors.size === 0 ? {} : { neighbors: Object.fromEntries([...neighbors].sort(byKey)) }),
    ...announceOf(announce),
    ...(bfd === undefined || Object.keys(bfd).length === 0 ? {} : { bfd }),
    ...(multipath === undefined ? {} : { multipath }),
    daemons: { bgpd: true, bfdd: true },
  };
}

/** The neighbour and what FRR calls it, or what keeps it from being one. */
function resolveNeighbor(intended: Intended, nameOf: BgpInput['nameOf']): { key: string; neighbor: Neighbor } | string {
  const { address, interface: logical, remote_as, bfd, description, multihop, source, address_families } = intended;
  if (remote_as === undefined) return 'a neighbour needs remote_as: its AS number, "external" or "internal"';
  if (address === undefined && logical === undefined) return 'a neighbour needs an address or an interface';
  const key = address ?? frrName(logical!, nameOf);
  if (key === undefined) return noInterface(logical!);
  // An address is no name, so it stays what it is.
  const from = source === undefined || /[:]|^\d/.test(source) ? source : frrName(source, nameOf);
  if (source !== undefined && from === undefined) return noInterface(source);
  const six = address?.includes(':');
  const families = {
    ...(six !== true ? { ipv4_unicast: true as const } : {}),
    ...(six !== false ? { ipv6_unicast: true as const } : {}),
  };
  const given = Object.keys(address_families ?? {}).length > 0;
  const neighbor: Neighbor = {
    ...(address === undefined ? { interface: true as const } : {}),
    remote_as,
    bfd: bfd === true,
    ...(description === undefined ? {} : { description }),
    ...(multihop === undefined ? {} : { multihop }),
    ...(from === undefined ? {} : { source: from }),
    address_families: given ? address_families! : families,
  };
  return { key, neighbor };
}

function frrName(logical: string, nameOf: BgpInput['nameOf']): string | undefined {
  const name = nameOf(logical);
  return name !== undefined && frrInterface.test(name) ? name : undefined;
}

const noInterface = (logical: string) =>
  `this machine has no interface ${logical}, or one whose name FRR cannot be told: name one of section network, or a port`;

/** Prefixes with both lengths, as a machine reports them. */
function announceOf({ networks = {}, connected = {} }: NonNullable<BgpIntended['announce']> = {}) {
  const ranges = Object.entries(connected).map(([prefix, { ge, le }]) => {
    const [own, most] = [Number(prefix.split('/')[1]), prefix.includes(':') ? 128 : 32];
    return [prefix, { ge: ge ?? own, le: le ?? (ge === undefined ? own : most) }] as const;
  });
  const announce = {
    ...(Object.keys(networks).length === 0 ? {} : { networks }),
    ...(ranges.length === 0 ? {} : { connected: Object.fromEntries(ranges) }),
  };
  return Object.keys(announce).length === 0 ? {} : { announce };
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);
