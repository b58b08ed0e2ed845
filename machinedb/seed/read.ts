import { sql } from 'kysely';
import { mergeLayers } from '../../shared/merge.ts';
import type { Intent } from '../../shared/resolve.ts';
import type { Network } from '../../shared/sections/network.ts';
import type { Reader } from '../db.ts';
import { readLayers } from '../intent/layers.ts';
import type { SeedNode } from './documents.ts';

/** What the documents of a node are made of, now. */
export async function readSeedNode(db: Reader, id: string): Promise<SeedNode> {
  const row = await db
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .select(['node.installed', 'n.wanted', 'n.observed'])
    .where('node.id', '=', id)
    .executeTakeFirstOrThrow();
  const layers = await readLayers(db, [id]);
  const interfaces = Object.entries((row.observed.network as Network | undefined)?.interfaces ?? {});
  return {
    id,
    provision: row.installed,
    name: nameOf(row.wanted),
    intent: mergeLayers(layers.get(id) ?? []) as Intent,
    wanted: row.wanted,
    macs: Object.fromEntries(interfaces.flatMap(([name, { mac }]) => (mac === undefined ? [] : [[name, mac]]))),
  };
}

/** Nodes of an address, as far as strangers may know them: approved ones only, so that nobody takes an address by a claim. */
export async function nodesAt(db: Reader, address: string): Promise<Pick<SeedNode, 'id' | 'provision' | 'name'>[]> {
  const rows = await db
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .select(['node.id', 'node.installed', 'n.wanted'])
    .where(sql<boolean>`node_addresses(n.observed, n.wanted) @> array[${address}]::text[]`)
    .where('node.level', 'in', ['approved', 'attested'])
    .where('node.state', '<>', 'retired')
    .where('node.revoked_at', 'is', null)
    .orderBy('node.id')
    .limit(10)
    .execute();
  return rows.map(({ id, installed, wanted }) => ({ id, provision: installed, name: nameOf(wanted) }));
}

function nameOf(wanted: Record<string, unknown>): string | undefined {
  const { fqdn, hostname } = (wanted.hostname ?? {}) as { fqdn?: string; hostname?: string };
  return fqdn ?? hostname;
}
