import type { NetworkIntended } from './sections/network.ts';

type Interfaces = NonNullable<NetworkIntended['interfaces']>;
type Interface = Interfaces[string];

/** Two parts of a network intent that cannot both be. */
export interface Contradiction {
  /** JSON pointer within the section. */
  path: string;
  message: string;
}

/** Main, as rt_tables numbers it. */
const MAIN = 254;

/**
 * What contradicts itself in a network intent.
 *
 * @param whole false: it is one layer of several, so that what it refers to may stand in another
 */
export function contradictions({ interfaces = {} }: NetworkIntended, whole = true): Contradiction[] {
  return [
    ...(whole ? missing(interfaces) : []),
    ...doubleMasters(interfaces),
    ...cycles(interfaces),
    ...doubleVlans(interfaces),
    ...doubleDefaults(interfaces),
    ...loopback(interfaces),
  ];
}

/** The logical names that an interface is made of, and where each is named. */
export function below({ bond, bridge, vlan }: Interface): { logical: string; path: string }[] {
  const of = (kind: string, members: Record<string, unknown> | undefined) =>
    Object.keys(members ?? {}).map((logical) => ({ logical, path: `/${kind}/members/${pointer(logical)}` }));
  return [
    ...of('bond', bond?.members),
    ...of('bridge', bridge?.members),
    ...(vlan === undefined ? [] : [{ logical: vlan.parent, path: '/vlan/parent' }]),
  ];
}

function* missing(interfaces: Interfaces): Generator<Contradiction> {
  for (const [logical, each] of Object.entries(interfaces)) {
    for (const { logical: other, path } of below(each))
      if (interfaces[other] === undefined)
        yield at(logical, path, `there is no interface "${other}": intend it, too, or name another`);
    if (each.vrf !== undefined && interfaces[each.vrf]?.vrf_table === undefined)
      yield at(logical, '/vrf', `there is no VRF "${each.vrf}": intend an interface of that name with vrf_table`);
  }
}

function* doubleMasters(interfaces: Interfaces): Generator<Contradiction> {
  const masters = new Map<string, string>();
  for (const [logical, each] of sorted(interfaces)) {
    for (const [kind, members] of [
      ['bond', each.bond?.members],
      ['bridge', each.bridge?.members],
    ] as const) {
      for (const member of Object.keys(members ?? {})) {
        const path = `/${kind}/members/${pointer(member)}`;
        const other = masters.get(member);
        if (other !== undefined) yield at(logical, path, `"${member}" is a member of "${other}" already`);
        masters.set(member, logical);
        const own = interfaces[member];
        if (own === undefined) continue;
        if (hasAddressing(own))
          yield at(
            member,
            '',
            `it is a member of "${logical}", so it has no addresses, gateways, routes or VRF of its own`,
          );
      }
    }
  }
}

const hasAddressing = ({ addresses, gateway, gateway6, dhcp4, dhcp6, routes, vrf }: Interface) =>
  [addresses, gateway, gateway6, routes, vrf].some((value) => value !== undefined) || dhcp4 === true || dhcp6 === true;

function* cycles(interfaces: Interfaces): Generator<Contradiction> {
  for (const [logical] of sorted(interfaces)) {
    const seen = new Set<string>();
    const walk = (name: string): boolean =>
      (interfaces[name] === undefined ? [] : below(interfaces[name])).some(({ logical: next }) => {
        if (next === logical) return true;
        if (seen.has(next)) return false;
        seen.add(next);
        return walk(next);
      });
    if (walk(logical)) yield at(logical, '', 'it is made of itself: its members and parents lead back to it');
  }
}

function* doubleVlans(interfaces: Interfaces): Generator<Contradiction> {
  const taken = new Map<string, string>();
  for (const [logical, { vlan }] of sorted(interfaces)) {
    if (vlan === undefined) continue;
    const key = `${vlan.parent} ${vlan.id}`;
    const other = taken.get(key);
    if (other !== undefined) yield at(logical, '/vlan/id', `"${other}" is VLAN ${vlan.id} of "${vlan.parent}" already`);
    taken.set(key, logical);
  }
}

/** Of two default routes with one metric in one table, nobody can tell which is used. */
function* doubleDefaults(interfaces: Interfaces): Generator<Contradiction> {
  const taken = new Map<string, string>();
  for (const [logical, each] of sorted(interfaces)) {
    const own = each.vrf === undefined ? MAIN : (interfaces[each.vrf]?.vrf_table ?? each.vrf);
    const defaults = [
      ...(each.gateway === undefined ? [] : [['/gateway', 'IPv4', own, each.metric]]),
      ...(each.gateway6 === undefined ? [] : [['/gateway6', 'IPv6', own, each.metric]]),
      ...Object.entries(each.routes ?? {}).flatMap(([label, { to, table, metric }]) => {
        const family =
          to === 'default' || to === '0.0.0.0/0' ? 'IPv4' : to === 'default6' || to === '::/0' ? 'IPv6' : '';
        return family === '' ? [] : [[`/routes/${pointer(label)}`, family, table ?? own, metric]];
      }),
    ];
    for (const [path, family, table, metric] of defaults) {
      const key = `${family} ${table} ${metric}`;
      const other = taken.get(key);
      const where = table === MAIN ? '' : ` in table ${table}`;
      if (other !== undefined)
        yield at(
          logical,
          String(path),
          `${other} is an ${family} default route with the same metric${where}: give one of them another metric`,
        );
      taken.set(key, `${logical}${path}`);
    }
  }
}

function* loopback({ lo }: Interfaces): Generator<Contradiction> {
  if (lo === undefined) return;
  const other = Object.keys(lo).find((key) => key !== 'addresses');
  if (other !== undefined) yield at('lo', `/${other}`, 'the loopback interface has addresses, and nothing else');
}

/** By name: the answer is the same whatever the order of keys. */
const sorted = (interfaces: Interfaces) => Object.entries(interfaces).sort(([a], [b]) => (a < b ? -1 : 1));

const pointer = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');

const at = (logical: string, path: string, message: string): Contradiction => ({
  path: `/interfaces/${pointer(logical)}${path}`,
  message,
});
