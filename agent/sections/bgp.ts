import type { Bgp } from '../../shared/sections/bgp.ts';
import { type BgpInstance, bfddTimers, type FrrConf, type Neighbor, parseFrrConf } from '../parse/frr-conf.ts';
import type { System } from '../system.ts';

/** How many neighbours or prefixes are told: a router's tables are no node's configuration. */
const MOST = 500;
const FAMILIES = ['ipv4_unicast', 'ipv6_unicast'] as const;

/**
 * BGP as FRR's files say it (/etc/frr/frr.conf and daemons): what is configured, not what the sessions are. The first
 * instance of the file is told; without one, only which daemons run. Undefined where FRR is not installed.
 */
export function observe(system: System): Bgp | undefined {
  const daemons = system.read('/etc/frr/daemons');
  if (daemons === undefined) return undefined;
  const running = [...daemons.matchAll(/^[ \t]*(\w+)=["']?yes\b/gm)].map(([, name = '']) => name);
  const told = { daemons: set(running.filter((name) => name.endsWith('d'))) };
  const conf = parseFrrConf(system.read('/etc/frr/frr.conf') ?? '');
  const [instance, ...others] = conf.instances;
  if (instance === undefined) return told;
  const { asn, router_id, vrf, multipath } = instance;
  return {
    ...defined({ asn, router_id, vrf, multipath }),
    neighbors: Object.fromEntries(
      [...instance.neighbors].slice(0, MOST).map(([key, neighbor]) => [key, neighborOf(instance, neighbor)]),
    ),
    ...defined({ announce: announceOf(conf, instance), bfd: bfdOf(conf) }),
    ...told,
    ...(others.length === 0 ? {} : { other_instances: set(others.map((other) => other.vrf ?? 'default')) }),
  };
}

function neighborOf({ groups, defaults }: BgpInstance, own: Neighbor) {
  const group = own.group === undefined ? undefined : groups.get(own.group);
  const { remote_as, bfd, description, multihop, source } = { ...group, ...own };
  const active = FAMILIES.filter(
    (family) => own.families.get(family) ?? group?.families.get(family) ?? defaults.get(family) ?? false,
  );
  return {
    ...defined({ interface: own.interface, remote_as, multihop, source }),
    ...(description === undefined ? {} : { description: description.slice(0, 1024) }),
    bfd: bfd === true,
    address_families: set(active),
  };
}

function announceOf(conf: FrrConf, { networks, connected }: BgpInstance): Bgp['announce'] {
  const prefixes = [...connected].flatMap(([family, routeMap]) => {
    const six = family.startsWith('ipv6');
    if (routeMap === '') return [[six ? '::/0' : '0.0.0.0/0', { ge: 0, le: six ? 128 : 32 }] as const];
    const lists = conf.routeMaps.get(routeMap) ?? [];
    return lists
      .flatMap((name) => conf.prefixLists.get(name) ?? [])
      .map(({ prefix, ge, le }) => [prefix, { ge, le }] as const);
  });
  const told = defined({
    networks: networks.size === 0 ? undefined : set([...networks]),
    connected: prefixes.length === 0 ? undefined : Object.fromEntries(prefixes.slice(0, MOST)),
  });
  return Object.keys(told).length === 0 ? undefined : told;
}

/** The timers of the only profile, with bfdd's own for those not given; of several nobody can tell whose they are. */
function bfdOf({ profiles }: FrrConf): Bgp['bfd'] {
  const [profile, ...more] = profiles.values();
  if (profile === undefined || more.length > 0) return undefined;
  return {
    detect_multiplier: profile.get('detect-multiplier') ?? bfddTimers.detect_multiplier,
    receive_ms: profile.get('receive-interval') ?? bfddTimers.receive_ms,
    transmit_ms: profile.get('transmit-interval') ?? bfddTimers.transmit_ms,
  };
}

function set(names: string[]): Record<string, true> {
  return Object.fromEntries(names.slice(0, MOST).map((name) => [name, true]));
}

function defined<Members extends object>(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Members;
}
