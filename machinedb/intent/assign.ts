import type { IntentSection } from '../../shared/api/intent.ts';
import { canonicalIp, isInside } from '../../shared/ip.ts';
import { mergePatch } from '../../shared/merge.ts';
import type { Network } from '../../shared/sections/network.ts';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { type NetworkRow, networksNear, readNetworks, type Scope } from '../places/nearest.ts';

export interface Assignment extends Partial<Placement> {
  role?: string;
  tags?: string[];
  fqdn?: string;
  network?: string;
  address?: string;
  interface?: string;
  mode?: 'observe' | 'plan' | 'enforce';
}

const LABEL = 'primary';

/** What an assignment says of a node's own intent: section → patch. `current`: what that intent is now. */
export async function assignmentIntents(
  db: Reader,
  node: string,
  given: Assignment,
  current: Partial<Record<IntentSection, unknown>>,
): Promise<Partial<Record<IntentSection, unknown>>> {
  const patches: Partial<Record<IntentSection, unknown>> = {};
  const place = placementPatch(current.placement as Partial<Placement> | undefined, given);
  if (place !== undefined) patches.placement = place;
  if (given.role !== undefined) patches.role = { name: given.role };
  if (given.tags !== undefined) patches.tags = Object.fromEntries(given.tags.map((tag) => [tag, true]));
  if (given.mode !== undefined) patches.mode = { mode: given.mode };
  if (given.fqdn !== undefined) patches.hostname = splitName(given.fqdn);
  if (given.network !== undefined || given.address !== undefined)
    patches.network = await networkPatch(db, node, given, mergePatch(current.placement, place ?? {}) as Scope);
  else if (given.interface !== undefined)
    throw new Problem('invalid', 'interface says where an address goes: give network or address, too');
  return patches;
}

/** What a place is made of, beside its site and rack. A rack's feeds and units mean nothing in another one. */
const ofRack = ['unit', 'feeds'] as const;
const ofSite = ['rack', ...ofRack, 'height', 'face', 'part', 'side'] as const;
const ofPlace = ['site', ...ofSite, 'draw_w'] as const;

type Place = { [K in keyof Placement]?: Placement[K] | null };

/** The patch of the section placement: another site or rack makes the old unit meaningless; the same one again keeps it. */
export function placementPatch(current: Partial<Placement> = {}, given: Place): Record<string, unknown> | undefined {
  const { site, rack } = given;
  const place = Object.fromEntries(ofPlace.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])));
  if (Object.keys(place).length === 0) return undefined;
  const left = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, null]));
  return {
    ...(site !== undefined && site !== current.site ? left(ofSite) : {}),
    ...(rack !== undefined && rack !== current.rack ? left(ofRack) : {}),
    ...place,
  };
}

function splitName(fqdn: string): { hostname: string; domain: string | null } {
  const dot = fqdn.indexOf('.');
  return dot < 0 ? { hostname: fqdn, domain: null } : { hostname: fqdn.slice(0, dot), domain: fqdn.slice(dot + 1) };
}

async function networkPatch(db: Reader, node: string, given: Assignment, place: Scope) {
  const asked = given.address === undefined ? undefined : canonicalIp(given.address);
  if (asked === undefined && given.address !== undefined)
    throw new Problem('invalid', `${given.address} is not an IP address: give one without prefix length`);
  const network = given.network ?? (await networkWith(db, asked!, place));
  const { observed } = await db
    .selectFrom('node_now')
    .select('observed')
    .where('node', '=', node)
    .executeTakeFirstOrThrow();
  const port = choosePort(observed, given.interface);
  const addresses = { [LABEL]: { network, address: asked ?? null, by: null, offset: null } };
  const mac = macOf(observed, port);
  // The discovery image names ports otherwise than the system that is installed: the card itself is meant.
  if ((observed.os as { discovery?: boolean } | undefined)?.discovery === true && mac !== undefined)
    return { interfaces: { [LABEL]: { match: { mac }, addresses } } };
  return { interfaces: { [port]: { addresses } } };
}

function macOf(observed: Record<string, unknown>, port: string): string | undefined {
  return Object.values((observed.nics ?? {}) as Record<string, Port>).find(({ name }) => name === port)?.mac;
}

/** The narrowest network that has the address: of those near the place, else of any, which then says where it is. */
async function networkWith(db: Reader, address: string, place: Scope): Promise<string> {
  const networks = await readNetworks(db);
  const lengthOf = ({ cidr }: NetworkRow) => Number(cidr.split('/')[1]);
  const narrowest = (rows: NetworkRow[]) =>
    rows.filter(({ cidr }) => isInside(address, cidr)).sort((a, b) => lengthOf(b) - lengthOf(a))[0];
  const found = narrowest(networksNear(networks, place)) ?? narrowest(Object.values(networks));
  if (found === undefined)
    throw new Problem(
      'invalid',
      `no network contains ${address}: machinedb network list shows them, machinedb network put makes one`,
    );
  return found.name;
}

interface Port {
  name?: string;
  mac?: string;
}

/** The port named, else the one with the default route, else one with an address, else the first physical one. */
function choosePort(observed: Record<string, unknown>, named: string | undefined): string {
  const { interfaces = {} } = (observed.network ?? {}) as Network;
  const ports = Object.values((observed.nics ?? {}) as Record<string, Port>).filter(({ name }) => name !== undefined);
  const names = [...new Set([...ports.map(({ name }) => name!), ...Object.keys(interfaces)])].sort();
  if (named !== undefined) {
    const mac = named.toLowerCase();
    const found = names.find((name) => name === named) ?? ports.find((port) => port.mac === mac)?.name;
    if (found !== undefined) return found;
    throw new Problem(
      'invalid',
      `the node reports no interface ${named}: it has ${names.join(', ') || 'reported none yet'}`,
    );
  }
  const routed = Object.entries(interfaces).find(
    ([, { gateway, gateway6 }]) => gateway !== undefined || gateway6 !== undefined,
  )?.[0];
  const addressed = Object.entries(interfaces).find(([, { addresses = {} }]) =>
    Object.keys(addresses).some((address) => !address.includes(':')),
  )?.[0];
  const chosen = routed ?? addressed ?? ports.map(({ name }) => name!).sort()[0] ?? names[0];
  if (chosen === undefined)
    throw new Problem('invalid', 'the node has reported no network port: name one with interface');
  return chosen;
}
