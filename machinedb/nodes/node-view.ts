import { type SelectQueryBuilder, sql } from 'kysely';
import type { Node } from '../../shared/api/nodes.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Database, Level, NodeState } from '../schema.ts';

export interface NodeRow {
  id: string;
  created_at: Date;
  state: NodeState;
  state_at: Date;
  level: Level;
  hold: boolean;
  locked_reason: string | null;
  merged_into: string | null;
  fqdn: string | null;
  observed_name: string | null;
  site: string | null;
  rack: string | null;
  unit: number | null;
  role: string | null;
  tags: string[];
  groups: string[];
  mode: string;
  model: string | null;
  serial: string | null;
  macs: string[];
  findings: number;
  generation: number;
  /** Wanted section. */
  wanted_network: unknown;
  observed_at: Date | null;
  seen_at: Date | null;
  agent_version: string | null;
  health: Node['health'];
}

/** Health as SQL, so that lists can filter by it: one definition for lists, inventory and metrics. */
export const health = sql<Node['health']>`case
  when n.observed_at is null then 'unknown'
  when n.reachable is false then 'unreachable'
  when n.findings > 0 then 'drifted'
  else 'ok' end`;

type Tables = Database & {
  n: Database['node_now'];
  h: { [K in keyof Database['heartbeat']]: Database['heartbeat'][K] | null };
};

/** Selects nodes with all that a view shows; filters and order are the caller's. */
export function selectNodes(db: Reader): SelectQueryBuilder<Tables, 'node' | 'n' | 'h', NodeRow> {
  return db
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .leftJoin('heartbeat as h', 'h.node', 'node.id')
    .select([
      'node.id',
      'node.created_at',
      'node.state',
      'node.state_at',
      'node.level',
      'node.hold',
      'node.locked_reason',
      'node.merged_into',
      'n.fqdn',
      'n.observed_name',
      'n.site',
      'n.rack',
      'n.unit',
      'n.role',
      'n.tags',
      'n.groups',
      'n.mode',
      'n.model',
      'n.serial',
      'n.macs',
      'n.findings',
      'n.generation',
      // All that is wanted of a node may be large.
      sql`n.wanted -> 'network'`.as('wanted_network'),
      'n.observed_at',
      'h.at as seen_at',
      'h.version as agent_version',
      health.as('health'),
    ]) as unknown as SelectQueryBuilder<Tables, 'node' | 'n' | 'h', NodeRow>;
}

/** Wanted addresses (CIDR) of all interfaces, sorted. */
export function addressesOf(wanted: Record<string, unknown>): string[] {
  const network = wanted.network as
    | { interfaces?: Record<string, { addresses?: Record<string, unknown> }> }
    | undefined;
  return Object.values(network?.interfaces ?? {})
    .flatMap(({ addresses }) => Object.keys(addresses ?? {}))
    .sort();
}

export function toNode(row: NodeRow): Node {
  const optional = <T>(value: T | null) => value ?? undefined;
  return {
    id: row.id,
    name: row.fqdn ?? row.observed_name ?? row.id,
    fqdn: optional(row.fqdn),
    state: row.state,
    state_at: row.state_at.toISOString(),
    health: row.health,
    level: row.level,
    mode: row.mode as Node['mode'],
    site: optional(row.site),
    rack: optional(row.rack),
    unit: optional(row.unit),
    role: optional(row.role),
    tags: row.tags,
    groups: row.groups,
    addresses: addressesOf({ network: row.wanted_network }),
    model: optional(row.model),
    serial: optional(row.serial),
    macs: row.macs,
    findings: row.findings,
    hold: row.hold,
    locked: optional(row.locked_reason),
    merged_into: optional(row.merged_into),
    generation: row.generation,
    created_at: row.created_at.toISOString(),
    seen_at: row.seen_at?.toISOString(),
    observed_at: row.observed_at?.toISOString(),
    agent_version: optional(row.agent_version),
  };
}

/** One node as the API shows it. */
export async function viewNode(db: Reader, id: string): Promise<Node> {
  const row = await selectNodes(db).where('node.id', '=', id).executeTakeFirst();
  if (row === undefined) throw new Problem('not_found', `there is no node "${id}": machinedb nodes lists them`);
  return toNode(row);
}
