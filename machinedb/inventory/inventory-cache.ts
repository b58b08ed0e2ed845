import { sql } from 'kysely';
import type { Db, Tx } from '../db.ts';
import { selectNodes, toNode } from '../nodes/node-view.ts';
import { assemble, type Host, isHost, toHost } from './inventory.ts';

const CHUNK = 5000;

export interface Inventory {
  body: string;
  etag: string;
}

interface Fragment {
  version: string;
  fqdn: string | undefined;
  /** Undefined: the node is no host. */
  host: Host | undefined;
}

/**
 * Keeps the inventory in memory. Every call asks the database which rows have another version than those kept, and reads
 * only these: daemons need not know of each other. Calls that come while one is under way share the next one.
 */
export function createInventoryCache(db: Db): () => Promise<Inventory> {
  let fragments = new Map<string, Fragment>();
  let kept: Inventory | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Inventory> | undefined;

  const refresh = async (): Promise<Inventory> => {
    next = undefined;
    const read = await readFragments(db, fragments);
    if (kept !== undefined && !read.changed) return kept;
    fragments = read.fragments;
    const all = [...fragments.values()];
    kept = assemble(
      all.flatMap(({ host }) => host ?? []),
      all.flatMap(({ host, fqdn }) => (host === undefined ? (fqdn ?? []) : [])),
    );
    return kept;
  };

  return async () => {
    next ??= running.then(refresh, refresh);
    running = next;
    return await next;
  };
}

/** Everything of one moment, so that two nodes which swap a name never both have it. */
async function readFragments(db: Db, known: Map<string, Fragment>) {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      // A row that was written has another xmin.
      const { rows } = await sql<{ id: string; version: string }>`
        select node.id, node.xmin || '.' || n.xmin as version from node join node_now n on n.node = node.id`.execute(
        tx,
      );
      const stale = rows.filter(({ id, version }) => known.get(id)?.version !== version);
      const read = new Map<string, Fragment>();
      for (let i = 0; i < stale.length; i += CHUNK) await load(tx, stale.slice(i, i + CHUNK), read);
      const fragments = new Map(rows.map(({ id }) => [id, (read.get(id) ?? known.get(id))!]));
      return { fragments, changed: stale.length > 0 || rows.length !== known.size };
    });
}

async function load(tx: Tx, stale: { id: string; version: string }[], read: Map<string, Fragment>): Promise<void> {
  const versions = new Map(stale.map(({ id, version }) => [id, version]));
  const rows = await selectNodes(tx)
    .select(['node.revoked_at', sql<unknown>`n.observed -> 'network'`.as('network')])
    .where(sql<boolean>`node.id = any(${[...versions.keys()]}::uuid[])`)
    .execute();
  for (const row of rows) {
    const node = toNode(row);
    const host = row.revoked_at === null && isHost(node) ? toHost({ node, network: row.network }) : undefined;
    read.set(row.id, { version: versions.get(row.id)!, fqdn: node.fqdn, host });
  }
}
