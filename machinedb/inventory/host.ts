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

/** @param revoked its key was: somebody vouched for it no longer */
export function toEntry(known: InventoryNode, revoked: boolean): Entry {
  const { node } = known;
  return { id: node.id, fqdn: node.fqdn, host: !revoked && isHost(node) ? toHost(known) : undefined };
}

/** A host's groups and variables. */
function toHost({ node, network }: InventoryNode): Host {
  const address = addressOf({ node, network });
  const vars = {
    ...(address === undefined ? {} : { ansible_host: address }),
    machinedb_id: node.id,
    machinedb_serial: reported(node.serial),
    machinedb_model: reported(node.model),
    machinedb_site: node.site,
    machinedb_rack: node.rack,
    machinedb_unit: node.unit,
    machinedb_role: node.role,
    machinedb_tags: node.tags,
    machinedb_groups: node.groups,
    machinedb_state: node.state,
    machinedb_health: node.health,
    machinedb_addresses: node.addresses,
    machinedb_generation: node.generation,
    machinedb_observed_at: node.observed_at,
  };
  return {
    reportedName: node.fqdn === undefined && mayName(node.name) ? node.name : undefined,
    groups: groupsOf(node),
    vars: JSON.stringify(vars),
  };
}

function mayName(name: string): boolean {
  return HOST_NAME.test(name) && !MISLEADING.test(name) && !RESERVED.has(name);
}

function groupsOf(node: InventoryNode['node']): string[] {
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
  const address = node.addresses[0] ?? observedAddresses(network)[0];
  return address?.split('/')[0];
}

const ADDRESS = /^[0-9a-f.:]{2,45}\/\d{1,3}$/;

function observedAddresses(network: unknown): string[] {
  const { interfaces } = (network ?? {}) as { interfaces?: Record<string, Record<string, unknown>> };
  return Object.entries(interfaces ?? {})
    .sort(([a, x], [b, y]) => Number('gateway' in y) - Number('gateway' in x) || (a < b ? -1 : 1))
    .flatMap(([, { addresses }]) => Object.keys(addresses ?? {}).sort())
    .filter((address) => ADDRESS.test(address))
    .sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}
