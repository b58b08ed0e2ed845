import { canonicalIp, ipAfter } from '../../shared/ip.ts';
import { type Demand, demands, type Intent, type Unresolvable } from '../../shared/resolve.ts';
import type { Placement } from '../../shared/sections/placement.ts';
import { Problem, type ProblemCode } from '../http/problem.ts';
import { type Networks, nearestNetwork, networkText, type Scope, scopeText } from './nearest.ts';

export interface AskedAddresses {
  /** Demands with the key of the network that each is taken from, and the address that follows from a unit. */
  asked: Demand[];
  /** What waits until the node has a place. */
  problems: Unresolvable[];
  /** What cannot be had where the node stands. */
  refused: Problem[];
}

/** The addresses that a node is to hold. */
export function askedOf(node: string, intent: Intent, networks: Networks): AskedAddresses {
  const all: AskedAddresses = { asked: [], problems: [], refused: [] };
  for (const demand of demands(intent)) {
    const found = find(node, demand, intent.placement ?? {}, networks);
    if (found instanceof Problem) all.refused.push(found);
    else if ('waits' in found)
      all.problems.push({ section: 'network', path: demandPath(demand), message: found.waits });
    else all.asked.push(found);
  }
  return all;
}

/** JSON pointer of a demand within the section `network`. Logical names and labels need no escapes. */
export function demandPath({ interface: logical, label }: Pick<Demand, 'interface' | 'label'>): string {
  return `/interfaces/${logical}/addresses/${label}`;
}

/** The error that names, beside the message, the place in the intent. */
export function refusal(demand: Demand, code: ProblemCode, message: string): Problem {
  return new Problem(code, message, { errors: [{ detail: message, pointer: demandPath(demand) }] });
}

function find(
  node: string,
  demand: Demand,
  place: Partial<Placement>,
  networks: Networks,
): Demand | { waits: string } | Problem {
  const network = nearestNetwork(networks, demand.network, place);
  if (network === undefined) return missing(node, demand, place, networks);
  const { offset } = demand;
  if (offset === undefined) return { ...demand, network };
  const { rack, unit } = place;
  if (rack === undefined || unit === undefined)
    return {
      waits: `the address follows from the rack unit, and node ${node} has none: place it in a rack, with its unit`,
    };
  const { cidr } = networks[network]!;
  const address = ipAfter(canonicalIp(cidr.split('/')[0]!)!, offset + unit);
  if (address !== undefined) return { ...demand, network, address };
  const message = `unit ${unit} with offset ${offset} lies behind network ${networkText(network)} (${cidr})`;
  return refusal(demand, 'invalid', message);
}

/** Why a name means no network to a node: another place would help, or the node only has none yet. */
function missing(node: string, demand: Demand, { site, rack }: Scope, networks: Networks) {
  const name = demand.network;
  const others = Object.values(networks).filter((row) => row.name === name);
  const within = others.find((row) => (site ?? row.site) === row.site && (rack ?? row.rack) === row.rack);
  const other = within ?? others[0];
  if (other === undefined)
    return refusal(
      demand,
      'invalid',
      `there is no network "${name}": machinedb network list shows them, machinedb network put makes one`,
    );
  const stands = site === undefined ? 'has no place' : `stands in ${scopeText({ site, rack })}`;
  const message = `network ${name} is there for ${scopeText(other)}, and node ${node} ${stands}: place it there, `;
  if (within !== undefined) return { waits: `${message}and it gets an address` };
  const make = `machinedb network put ${name} --site ${site}`;
  return refusal(demand, 'conflict', `${message}or make one for its place (${make})`);
}
