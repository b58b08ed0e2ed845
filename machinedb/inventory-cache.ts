import { sql } from 'kysely';
import type { Db } from './db.ts';
import { assemble, type Host, isHost, toHost } from './inventory.ts';
import { selectNodes, toNode } from './node-view.ts';

const CHUNK = 5000;

export interface Inventory {
  body: string;
  etag: string;
}

interface Fragment {
  version: string;
  /** Undefined: the node is no host. */
  host: Host | undefined;
}

/**
 * Keeps the inventory in memory. It is put together anew only when the feed moved, and then reads only nodes whose rows
 * have another version. Whatever it keeps is checked against the database at every call: daemons need not know of each
 * other.
 */
export function createInventoryCache(db: Db): () => Promise<Inventory> {
  const fragments = new Map<string, Fragment>();
  let kept: { marker: string; inventory: Inventory } | undefined;
  let building: Promise<unknown> = Promise.resolve();

  const refresh = async (): Promise<Inventory> => {
    // The marker is read before the rows: what commits in between is found at the next call.
    const marker = await readMarker(db);
    if (kept?.marker === marker) return kept.inventory;
    await update(db, fragments);
    const hosts = [...fragments.values()].flatMap(({ host }) => (host === undefined ? [] : [host]));
    const inventory = assemble(hosts);
    kept = { marker, inventory };
    return inventory;
  };

  return async () => {
    const mine = building.then(refresh, refresh);
    building = mine;
    return await mine;
  };
}

async function readMarker(db: Db): Promise<string> {
  const { rows } = await sql<{ marker: string }>`
    select concat_ws('.', (select max(seq) from revision), (select max(seq) from event)) as marker`.execute(db);
  return rows[0]!.marker;
}

// A row that was written has another xmin.
async function update(db: Db, fragments: Map<string, Fragment>): Promise<void> {
  const { rows: versions } = await sql<{ id: string; version: string }>`
    select node.id, concat_ws('.', node.xmin, n.xmin) as version
    from node join node_now n on n.node = node.id`.execute(db);
  const changed: { id: string; version: string }[] = [];
  const present = new Set<string>();
  for (const row of versions) {
    present.add(row.id);
    if (fragments.get(row.id)?.version !== row.version) changed.push(row);
  }
  for (const id of fragments.keys()) if (!present.has(id)) fragments.delete(id);
  for (let i = 0; i < changed.length; i += CHUNK) await load(db, fragments, changed.slice(i, i + CHUNK));
}

async function load(db: Db, fragments: Map<string, Fragment>, changed: { id: string; version: string }[]) {
  const versions = new Map(changed.map(({ id, version }) => [id, version]));
  const rows = await selectNodes(db)
    .select(['node.revoked_at', sql<unknown>`n.observed -> 'network'`.as('network')])
    .where(sql<boolean>`node.id = any(${[...versions.keys()]}::uuid[])`)
    .execute();
  for (const row of rows) {
    const node = toNode(row);
    const host = row.revoked_at === null && isHost(node) ? toHost({ node, network: row.network }) : undefined;
    fragments.set(row.id, { version: versions.get(row.id)!, host });
  }
}
