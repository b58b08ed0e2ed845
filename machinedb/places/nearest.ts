import type { NetworkFacts } from '../../shared/resolve.ts';
import type { Reader } from '../db.ts';

/** Where a network is, or a node stands. Neither: a network of the whole fleet, a node without a place. */
export interface Scope {
  site?: string | undefined;
  rack?: string | undefined;
}

export interface NetworkRow extends NetworkFacts, Scope {
  name: string;
}

/** Key → network, as the table has them: NAME, SITE:NAME or SITE:RACK:NAME. */
export type Networks = Record<string, NetworkRow>;

/** All network rows: there are few, and any node may name any of them. */
export async function readNetworks(db: Reader): Promise<Networks> {
  const rows = await db
    .selectFrom('network')
    .select(['key', 'name', 'site', 'rack', 'cidr', 'gateway', 'dns', 'domain'])
    .execute();
  return Object.fromEntries(
    rows.map(({ key, site, rack, gateway, domain, ...row }) => [
      key,
      { ...row, ...present({ site, rack, gateway, domain }) },
    ]),
  );
}

export function networkKey(name: string, { site, rack }: Scope): string {
  return [site, rack, name].filter((part) => part !== undefined).join(':');
}

/** The name and the scope that a key stands for. */
export function parseNetworkKey(key: string): { name: string } & Scope {
  const parts = key.split(':');
  const [site, rack] = parts.slice(0, -1);
  return { name: parts.at(-1)!, ...present({ site, rack }) };
}

/** A network as messages name it: mgmt of rack r1 in site ams1. */
export function networkText(key: string): string {
  const { name, ...scope } = parseNetworkKey(key);
  return scope.site === undefined ? name : `${name} of ${scopeText(scope)}`;
}

/** A scope as messages name it; it has a site. */
export function scopeText({ site, rack }: Scope): string {
  return rack === undefined ? `site ${site}` : `rack ${rack} in site ${site}`;
}

/** The key of the network that a name means at a place: the rack's own, else the site's, else the fleet's. */
export function nearestNetwork(networks: Networks, name: string, { site, rack }: Scope): string | undefined {
  const keys = [networkKey(name, { site, rack }), networkKey(name, { site }), name];
  return keys.find((key) => networks[key] !== undefined);
}

/** The networks that names mean at a place. */
export function networksNear(networks: Networks, place: Scope): NetworkRow[] {
  return Object.entries(networks).flatMap(([key, row]) =>
    nearestNetwork(networks, row.name, place) === key ? [row] : [],
  );
}

function present<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], null> | undefined } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null)) as never;
}
