import { whole } from './numbers.ts';

/** What bfdd has of itself (FRR's manual, bfd: profile configuration). */
export const bfddTimers = { detect_multiplier: 3, receive_ms: 300, transmit_ms: 300 } as const;

/** One BGP instance as frr.conf has it. */
export interface BgpInstance {
  asn: number | undefined;
  vrf: string | undefined;
  router_id: string | undefined;
  multipath: number | undefined;
  neighbors: Map<string, Neighbor>;
  groups: Map<string, Neighbor>;
  networks: Set<string>;
  /** Per family, the route-map that chooses the connected routes; '': none, so all of them. */
  connected: Map<string, string>;
  defaults: Map<string, boolean>;
}

export interface Neighbor {
  group?: string;
  interface?: true;
  remote_as?: number | string;
  bfd?: true;
  description?: string;
  multihop?: number | undefined;
  source?: string;
  /** Family → whether it is activated; absent: as the group, or the instance's default. */
  families: Map<string, boolean>;
}

type BfdProfile = Map<string, number | undefined>;

/** What of an frr.conf matters to BGP. */
export interface FrrConf {
  instances: BgpInstance[];
  /** Name → prefix with its `ge` and `le`, of the entries that permit. */
  prefixLists: Map<string, { prefix: string; ge: number; le: number }[]>;
  /** Name → prefix lists that its permitting entries match. */
  routeMaps: Map<string, string[]>;
  /** Name of a BFD profile → setting → value. */
  profiles: Map<string, BfdProfile>;
}

/** The contexts of frr.conf that are looked at. A line that opens one ends the other, as in files without `exit`. */
interface Context {
  instance?: BgpInstance | undefined;
  family?: string | undefined;
  routeMap?: string | undefined;
  profile?: BfdProfile | undefined;
}

const OTHERS = new Set(['interface', 'vrf', 'router', 'line', 'key', 'pbr-map', 'segment-routing', 'nexthop-group']);

/** Addresses, and names of interfaces, groups and VRFs. The server's schemas drop a member called __proto__. */
const NAME = /^(?!__proto__$)[\w.:-]{1,45}$/;

/** Reads an frr.conf (vtysh(1)), of whatever version and by whomever; what it does not know it passes over. */
export function parseFrrConf(text: string): FrrConf {
  const conf: FrrConf = { instances: [], prefixLists: new Map(), routeMaps: new Map(), profiles: new Map() };
  let context: Context = {};
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const [first = '', second = '', third = ''] = words;
    if (/^[!#]|^$/.test(first)) continue;
    if (first === 'router' && second === 'bgp') context = { instance: addInstance(conf, words.slice(2)) };
    else if (first === 'route-map' && third !== 'deny') context = { routeMap: second };
    else if (first === 'exit-address-family') context.family = undefined;
    else if (first === 'address-family') context.family = `${second}_${third || 'unicast'}`;
    else if (first === 'profile') context = { profile: addProfile(conf, second) };
    else if (/^ip(v6)?$/.test(first) && second === 'prefix-list') addPrefix(conf, words);
    else if (OTHERS.has(first) || ['exit', 'end', 'route-map', 'bfd'].includes(first)) context = {};
    else if (context.instance !== undefined) readInstance(context.instance, context.family ?? 'ipv4_unicast', words);
    else if (context.routeMap !== undefined && first === 'match' && words[3] === 'prefix-list')
      conf.routeMaps.set(context.routeMap, [...(conf.routeMaps.get(context.routeMap) ?? []), words[4] ?? '']);
    else if (context.profile !== undefined) context.profile.set(first, whole(second));
  }
  return conf;
}

function addInstance(conf: FrrConf, [asn = '', kind, name]: string[]): BgpInstance {
  const instance: BgpInstance = {
    asn: asnOf(asn),
    vrf: (kind === 'vrf' || kind === 'view') && NAME.test(name ?? '') ? name : undefined,
    router_id: undefined,
    multipath: undefined,
    neighbors: new Map(),
    groups: new Map(),
    networks: new Set(),
    connected: new Map(),
    defaults: new Map([['ipv4_unicast', true]]),
  };
  conf.instances.push(instance);
  return instance;
}

function addProfile(conf: FrrConf, name: string): BfdProfile {
  const profile: BfdProfile = conf.profiles.get(name) ?? new Map();
  conf.profiles.set(name, profile);
  return profile;
}

/** An AS number, also as two of 16 bits (RFC 5396). */
function asnOf(text: string): number | undefined {
  const [high, low] = /^(\d+)\.(\d+)$/.exec(text)?.slice(1) ?? [0, text];
  const asn = Number(high) * 65536 + Number(low);
  return text !== '' && Number.isInteger(asn) ? asn : undefined;
}

// [ip|ipv6] prefix-list NAME [seq N] permit PREFIX [ge N] [le N]
function addPrefix(conf: FrrConf, words: string[]): void {
  const at = words.indexOf('permit', 3);
  const given = words[at + 1] ?? '';
  const [, length] = /^[0-9a-fA-F.:]+\/(\d+)$/.exec(given) ?? [];
  const any = given === 'any';
  if (at < 0 || (length === undefined && !any)) return;
  const six = words[0] === 'ipv6';
  const after = (word: string) => (words.indexOf(word, at) < 0 ? undefined : whole(words[words.indexOf(word, at) + 1]));
  const [own, most] = [Number(length ?? 0), six ? 128 : 32];
  const [ge, le] = [after('ge'), after('le')];
  const range = { ge: ge ?? own, le: le ?? (ge === undefined && !any ? own : most) };
  const list = conf.prefixLists.get(words[2] ?? '') ?? [];
  conf.prefixLists.set(words[2] ?? '', [...list, { prefix: any ? (six ? '::/0' : '0.0.0.0/0') : given, ...range }]);
}

function readInstance(instance: BgpInstance, family: string, words: string[]): void {
  const no = words[0] === 'no';
  const [first = '', second = '', third = '', fourth = ''] = no ? words.slice(1) : words;
  if (first === 'neighbor') readNeighbor(instance, family, no, words.slice(no ? 2 : 1));
  if (first === 'bgp' && second === 'default' && /^ipv[46]-unicast$/.test(third))
    instance.defaults.set(third.replace('-', '_'), !no);
  if (no) return;
  if (first === 'bgp' && second === 'router-id') instance.router_id = third;
  else if (first === 'network' && second.includes('/')) instance.networks.add(second);
  else if (first === 'maximum-paths' && second !== 'ibgp') instance.multipath ??= whole(second);
  else if (first === 'redistribute' && second === 'connected')
    instance.connected.set(family, third === 'route-map' ? fourth : '');
}

function readNeighbor(instance: BgpInstance, family: string, no: boolean, [key = '', ...words]: string[]): void {
  const [setting, ...values] = words;
  if (!NAME.test(key)) return;
  if (setting === 'peer-group' && values.length === 0) {
    instance.groups.set(key, { families: new Map() });
    return;
  }
  const known = instance.groups.get(key) ?? instance.neighbors.get(key);
  const neighbor = known ?? { families: new Map<string, boolean>() };
  if (known === undefined) instance.neighbors.set(key, neighbor);
  if (setting === 'activate') neighbor.families.set(family, !no);
  if (no) return;
  if (setting === 'interface') {
    neighbor.interface = true;
    readNeighbor(instance, family, no, [key, ...values.filter((value) => value !== 'v6only')]);
  }
  const [value = ''] = values;
  if (setting === 'peer-group') neighbor.group = value;
  else if (setting === 'remote-as') neighbor.remote_as = asnOf(value) ?? value;
  else if (setting === 'bfd') neighbor.bfd = true;
  else if (setting === 'description') neighbor.description = values.join(' ');
  else if (setting === 'ebgp-multihop') neighbor.multihop = value === '' ? 255 : whole(value);
  else if (setting === 'update-source') neighbor.source = value;
}
