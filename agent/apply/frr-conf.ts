import type { BgpWanted } from '../../shared/sections/bgp.ts';
import { bfddTimers } from '../parse/frr-conf.ts';
import { header } from './change.ts';

type Neighbors = NonNullable<BgpWanted['neighbors']>;
type Family = keyof Neighbors[string]['address_families'];
type Lengths = { ge: number; le: number };

/** Whose defaults are meant (`frr version`): the newest release there is, which for an older one are its own. */
const VERSION = '10.3';
const FAMILIES = [
  { family: 'ipv4_unicast', words: 'ipv4 unicast', ip: 'ip', six: false },
  { family: 'ipv6_unicast', words: 'ipv6 unicast', ip: 'ipv6', six: true },
] as const;
const [OWN, CONNECTED, PROFILE] = ['machinedb-own', 'machinedb-connected', 'machinedb'];

/**
 * /etc/frr/frr.conf, whole. In the words of FRR's own `show running-config`, which frr-reload.py compares it with.
 * A neighbour is told only what this node itself has: the node is never a way between two of them.
 */
export function frrConf(wanted: BgpWanted): string {
  const { asn, router_id, vrf, neighbors = {}, multipath } = wanted;
  const lines = [
    header,
    `frr version ${VERSION}`,
    'frr defaults datacenter',
    'log syslog informational',
    'service integrated-vtysh-config',
    '!',
    ...FAMILIES.flatMap(({ ip, six }) => prefixListLines(ip, ofFamily(wanted.announce?.connected, six))),
    `bgp as-path access-list ${OWN} seq 5 permit ^$`,
    '!',
    `route-map ${OWN} permit 10`,
    ` match as-path ${OWN}`,
    'exit',
    '!',
    ...FAMILIES.flatMap(({ ip, six }) =>
      ofFamily(wanted.announce?.connected, six).length === 0
        ? []
        : [
            `route-map ${CONNECTED}-${ip} permit 10`,
            ` match ${ip} address prefix-list ${CONNECTED}-${ip}`,
            'exit',
            '!',
          ],
    ),
    ...bfdLines(wanted.bfd),
    `router bgp ${asn}${vrf === undefined ? '' : ` vrf ${vrf}`}`,
    ` bgp router-id ${router_id}`,
    ' no bgp default ipv4-unicast',
    ' bgp bestpath as-path multipath-relax',
    ...Object.entries(neighbors).flatMap(([key, neighbor]) => neighborLines(key, neighbor, wanted.bfd !== undefined)),
    ...FAMILIES.flatMap((each) => familyLines(each, wanted, multipath)),
    'exit',
  ];
  return `${lines.join('\n')}\n`;
}

function neighborLines(key: string, neighbor: Neighbors[string], profile: boolean): string[] {
  const { interface: unnumbered, remote_as, bfd, description, multihop, source } = neighbor;
  const settings = [
    `${unnumbered === true ? 'interface ' : ''}remote-as ${remote_as}`,
    bfd === true ? 'bfd' : undefined,
    bfd === true && profile ? `bfd profile ${PROFILE}` : undefined,
    description === undefined ? undefined : `description ${description}`,
    multihop === undefined ? undefined : `ebgp-multihop ${multihop}`,
    source === undefined ? undefined : `update-source ${source}`,
  ];
  return settings.filter((setting) => setting !== undefined).map((setting) => ` neighbor ${key} ${setting}`);
}

function familyLines(
  { family, words, ip, six }: { family: Family; words: string; ip: string; six: boolean },
  { neighbors = {}, announce = {} }: BgpWanted,
  multipath: number | undefined,
): string[] {
  const lines = [
    ...ofFamily(announce.networks, six).map(([prefix]) => `network ${prefix}`),
    ...(ofFamily(announce.connected, six).length === 0 ? [] : [`redistribute connected route-map ${CONNECTED}-${ip}`]),
    ...Object.entries(neighbors)
      .filter(([, { address_families }]) => address_families[family] === true)
      .flatMap(([key]) => [`neighbor ${key} activate`, `neighbor ${key} route-map ${OWN} out`]),
    ...(multipath === undefined ? [] : [`maximum-paths ${multipath}`, `maximum-paths ibgp ${multipath}`]),
  ];
  // FRR drops an empty one, and frr-reload.py would add it for ever.
  if (lines.length === 0) return [];
  return [' !', ` address-family ${words}`, ...lines.map((line) => `  ${line}`), ' exit-address-family'];
}

function prefixListLines(ip: string, prefixes: [string, Lengths][]): string[] {
  if (prefixes.length === 0) return [];
  const lines = prefixes.map(([prefix, { ge, le }], index) => {
    const [own, most] = [Number(prefix.split('/')[1]), prefix.includes(':') ? 128 : 32];
    return [
      `${ip} prefix-list ${CONNECTED}-${ip} seq ${5 * (index + 1)} permit ${prefix}`,
      // FRR refuses a "ge" that is the prefix's own length; without "le" it means all longer ones.
      ...(ge > own ? [`ge ${ge}`] : []),
      ...(le > own && (le < most || ge === own) ? [`le ${le}`] : []),
    ].join(' ');
  });
  return [...lines, '!'];
}

/** The block is there also when empty: bfdd keeps one as soon as a session was watched, and frr-reload.py would end it. */
function bfdLines(timers: BgpWanted['bfd']): string[] {
  if (timers === undefined) return ['bfd', 'exit', '!'];
  const words = {
    detect_multiplier: 'detect-multiplier',
    transmit_ms: 'transmit-interval',
    receive_ms: 'receive-interval',
  } as const;
  // A value that FRR has anyway is in no running configuration: it would be left to be reloaded for ever.
  const settings = Object.entries(words).flatMap(([name, word]) => {
    const value = timers[name as keyof typeof words];
    return value === undefined || value === bfddTimers[name as keyof typeof words] ? [] : [`  ${word} ${value}`];
  });
  return ['bfd', ` profile ${PROFILE}`, ...settings, ' exit', ' !', 'exit', '!'];
}

function ofFamily<Value>(prefixes: Record<string, Value> | undefined, six: boolean): [string, Value][] {
  return Object.entries(prefixes ?? {})
    .filter(([prefix]) => prefix.includes(':') === six)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
