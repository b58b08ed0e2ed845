import { Readable } from 'node:stream';
import { sql } from 'kysely';
import type { Context, Handlers } from '../context.ts';
import type { Db } from '../db.ts';
import { Book, type Inventory } from '../inventory/book.ts';
import { addressOf, isHost, toEntry } from '../inventory/host.ts';
import { createInventoryCache } from '../inventory/inventory-cache.ts';
import { fleetAt } from '../nodes/asof.ts';
import { selectNodes, toNode } from '../nodes/node-view.ts';

const NODE_EXPORTER = 9100;

// One cache a pool: what it holds is checked against the database at every request.
const caches = new WeakMap<Db, ReturnType<typeof createInventoryCache>>();

async function inventoryNow(db: Db): Promise<Inventory> {
  const cache = caches.get(db) ?? createInventoryCache(db);
  caches.set(db, cache);
  return await cache();
}

async function inventoryAt(db: Db, time: string): Promise<Inventory> {
  const nodes = await fleetAt(db, time, { macs: false });
  return new Book(nodes.map(({ node, network, revoked }) => toEntry({ node, network }, revoked))).inventory;
}

export const inventoryRoutes = {
  inventory: async ({ db }: Context, { input: { query } }, extra) => {
    const inventory = query.as_of === undefined ? await inventoryNow(db) : await inventoryAt(db, query.as_of);
    extra.etag = inventory.etag;
    extra.type = 'application/json; charset=utf-8';
    // The text is JSON already, and as large as the fleet: it is sent piece by piece.
    extra.file = { stream: Readable.from(inventory.pieces), size: inventory.size };
    return {};
  },
  prometheusTargets: async ({ db }: Context, { input: { query } }) => {
    const rows = await selectNodes(db)
      .select(sql<unknown>`n.observed -> 'network'`.as('network'))
      .where('node.revoked_at', 'is', null)
      .orderBy('node.id')
      .execute();
    return rows.flatMap((row) => {
      const node = toNode(row);
      if (!isHost(node)) return [];
      const host = addressOf({ node, network: row.network }) ?? node.fqdn;
      if (host === undefined) return [];
      const port = query.port ?? NODE_EXPORTER;
      return [{ targets: [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`], labels: labelsOf(node) }];
    });
  },
} satisfies Partial<Handlers>;

function labelsOf(node: ReturnType<typeof toNode>): Record<string, string> {
  const { id, name, site, rack, role, state, model } = node;
  return Object.fromEntries(
    Object.entries({ id, name, site, rack, role, state, model }).flatMap(([key, value]) =>
      value === undefined ? [] : [[`__meta_machinedb_${key}`, value]],
    ),
  );
}
