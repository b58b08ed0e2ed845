import type { Node } from '../../shared/api/nodes.ts';

/** What the inventory needs to know of a node: a part of what the API shows, and what it reports of its network. */
export interface InventoryNode {
  node: Pick<
    Node,
    | 'id'
    | 'name'
    | 'fqdn'
    | 'state'
    | 'level'
    | 'health'
    | 'site'
    | 'rack'
    | 'unit'
    | 'role'
    | 'tags'
    | 'groups'
    | 'addresses'
    | 'model'
    | 'serial'
    | 'generation'
    | 'observed_at'
  >;
  /** Observed section `network`; needed only where no address is wanted. */
  network: unknown;
}

/** A host of the inventory, ready to be put together: `vars` is JSON text. */
export interface Host {
  reportedName: string | undefined;
  groups: string[];
  vars: string;
}

/** A node as the inventory keeps it. */
export interface Entry {
  id: string;
  fqdn: string | undefined;
  /** Undefined: it is no host (retired, not approved, revoked), and only keeps its name from others. */
  host: Host | undefined;
}

const RESERVED = new Set(['all', 'ungrouped', 'stale']);
// Names that would make Ansible act on its own machine, or that are another node's id or an address.
const MISLEADING = /^localhost(\.|$)|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|(^|\.)\d+$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})?(\.[a-z0-9]([a-z0-9-]{0,62})?)*$/;

/** Whether Ansible may have the node as a host: somebody vouched for it, and it is in use. */
export function isHost({ level, state }: Pick<Node, 'level' | 'state'>): boolean {
  return (level === 'approved' || level === 'attested') && state !== 'retired';
}

/**
 * What hosts beside each other share: all but their names, addresses and numbers. It is worked out once for each distinct `Kind`,
 * not once a node.
 */
export type Kind = Pick<Node, 'state' | 'level' | 'health' | 'site' | 'rack' | 'role' | 'tags' | 'groups' | 'model'> & {
  /** Its key was: nobody vouches for it any longer. */
  revoked: boolean;
};

export interface Shared {
  host: boolean;
  groups: string[];
  /** Variables, JSON text with a comma after each: before the unit, and after it. */
  place: string;
  use: string;
}

/** What is a node's own. */
export type Own = Pick<Node, 'id' | 'name' | 'fqdn' | 'unit' | 'addresses' | 'serial' | 'generation' | 'observed_at'>;

export function shareOf(kind: Kind): Shared {
  const { state, health, site, rack, role, tags, groups, model } = kind;
  return {
    host: !kind.revoked && isHost(kind),
    groups: groupsOf(kind),
    place: members({ machinedb_model: reported(model), machinedb_site: site, machinedb_rack: rack }),
    use: members({
      machinedb_role: role,
      machinedb_tags: tags,
      machinedb_groups: groups,
      machinedb_state: state,
      machinedb_health: health,
    }),
  };
}

/** @param revoked its key was: somebody vouched for it no longer */
export function toEntry({ node, network }: InventoryNode, revoked: boolean): Entry {
  return entryOf(node, network, shareOf({ ...node, revoked }));
}

/** @param network observed section; needed only where no address is wanted */
export function entryOf(own: Own, network: unknown, shared: Shared): Entry {
  const { id, fqdn } = own;
  return { id, fqdn, host: shared.host ? toHost(own, network, shared) : undefined };
}

/** A host's groups and variables. */
function toHost(own: Own, network: unknown, { groups, place, use }: Shared): Host {
  const address = addressOf({ node: own, network });
  const { id, fqdn, name, unit, serial, addresses, generation, observed_at } = own;
  const vars = [
    address === undefined ? '{' : `{"ansible_host":${JSON.stringify(address)},`,
    `"machinedb_id":"${id}",`,
    serial === undefined ? '' : `"machinedb_serial":${JSON.stringify(reported(serial))},`,
    place,
    unit === undefined ? '' : `"machinedb_unit":${unit},`,
    use,
    `"machinedb_addresses":${JSON.stringify(addresses)},"machinedb_generation":${generation}`,
    observed_at === undefined ? '}' : `,"machinedb_observed_at":"${observed_at}"}`,
  ].join('');
  return { reportedName: fqdn === undefined && mayName(name) ? name : undefined, groups, vars };
}

/** JSON text of an object's members, a comma after each. */
function members(object: Record<string, unknown>): string {
  const text = JSON.stringify(object).slice(1, -1);
  return text === '' ? '' : `${text},`;
}

function mayName(name: string): boolean {
  return HOST_NAME.test(name) && !MISLEADING.test(name) && !RESERVED.has(name);
}

function groupsOf(node: Kind): string[] {
  const { role, site, rack, model } = node;
  const groups = [`state_${node.state}`, `health_${node.health}`, ...node.tags.map((tag) => `tag_${tag}`)];
  groups.push(...node.groups.map(groupName));
  if (role !== undefined) groups.push(`role_${role}`);
  if (site !== undefined) groups.push(`site_${site}`);
  if (site !== undefined && rack !== undefined) groups.push(`rack_${site}_${rack}`);
  if (model !== undefined) groups.push(`model_${model.slice(0, 100)}`);
  if (node.health === 'unreachable') groups.push('stale');
  return [...new Set(groups.map(sanitized))];
}

/** What Ansible calls a saved group. */
export function groupName(name: string): string {
  return sanitized(`group_${name}`);
}

function sanitized(group: string): string {
  return group.replace(/[^A-Za-z0-9_]/g, '_');
}

/**
 * Ansible evaluates templates in variables of an inventory script: what a machine reports must never be one. Its JSON
 * reader takes a text marked like this as it stands.
 */
function reported(text: string | undefined): unknown {
  return text !== undefined && /\{[{%#]/.test(text) ? { __ansible_unsafe: text } : text;
}

/** Address to reach a node at: the first wanted one, else one that it has, IPv4 on the way out first. */
export function addressOf({ node, network }: { node: Pick<Node, 'addresses'>; network: unknown }): string | undefined {
  const address = node.addresses[0] ?? observedAddress(network);
  return address?.split('/')[0];
}

const ADDRESS = /^[0-9a-f.:]{2,45}\/\d{1,3}$/;

function observedAddress(network: unknown): string | undefined {
  const { interfaces } = (network ?? {}) as { interfaces?: Record<string, Record<string, unknown>> };
  let best: [string, string, string] | undefined;
  for (const name in interfaces) {
    const { addresses, gateway } = interfaces[name]!;
    for (const address in addresses as object) {
      if (!ADDRESS.test(address)) continue;
      const rank = `${address.includes(':') ? 1 : 0}${gateway === undefined ? 1 : 0}`;
      if (best === undefined || isBefore([rank, name, address], best)) best = [rank, name, address];
    }
  }
  return best?.[2];
}

function isBefore(a: string[], b: string[]): boolean {
  const i = a.findIndex((text, at) => text !== b[at]);
  return i !== -1 && a[i]! < b[i]!;
}
