import { sql } from 'kysely';
import type { Db, Reader, Tx } from '../db.ts';
import { beginNews, type Position, readNews } from '../feed/node-changes.ts';
import { addressesOf, health, type NodeRow } from '../nodes/node-view.ts';
import { Book, type Inventory } from './book.ts';
import { type Entry, toEntry } from './host.ts';

const CHUNK = 5000;

interface Kept extends Position {
  book: Book;
}

/**
 * Keeps the inventory in memory. Every call asks the database which nodes changed since the snapshot of the call before, and reads
 * only these: daemons need not know of each other. Calls that come while one is under way share the next one.
 */
export function createInventoryCache(db: Db): () => Promise<Inventory> {
  let kept: Kept | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Inventory> | undefined;

  const refresh = async (): Promise<Inventory> => {
    next = undefined;
    const { life, snapshot, changed } = await readNews(db, kept);
    if (life === '') await beginNews(db);
    if (kept !== undefined && changed?.length === 0) {
      kept.snapshot = snapshot;
      return kept.book.inventory;
    }
    const before = kept;
    // A book that is half changed is none.
    kept = undefined;
    kept = await read(db, before);
    return kept.book.inventory;
  };

  return async () => {
    next ??= running.then(refresh, refresh);
    running = next;
    return await next;
  };
}

/** Everything of one moment, so that two nodes which swap a name never both have it. */
async function read(db: Db, before: Kept | undefined): Promise<Kept> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const { life, snapshot, changed } = await readNews(tx, before);
      if (before === undefined || changed === undefined) return { life, snapshot, book: new Book(await readAll(tx)) };
      const rows = await select(tx).where(sql<boolean>`node.id = any(${changed}::uuid[])`).execute();
      const found = new Set(rows.map(({ id }) => id));
      before.book.update(
        rows.map(rowToEntry),
        changed.filter((id) => !found.has(id)),
      );
      return { life, snapshot, book: before.book };
    });
}

/** PostgreSQL reads on while the rows before are worked on. */
async function readAll(tx: Tx): Promise<Entry[]> {
  await sql`declare inventory no scroll cursor for ${select(tx)}`.execute(tx);
  const fetch = () => sql<Row>`fetch ${sql.lit(CHUNK)} from inventory`.execute(tx);
  const entries: Entry[] = [];
  for (let coming = fetch(); ; ) {
    const { rows } = await coming;
    if (rows.length < CHUNK) return [...entries, ...rows.map(rowToEntry)];
    coming = fetch();
    for (const row of rows) entries.push(rowToEntry(row));
  }
}

type Shown =
  | 'id'
  | 'state'
  | 'level'
  | 'fqdn'
  | 'observed_name'
  | 'site'
  | 'rack'
  | 'unit'
  | 'role'
  | 'tags'
  | 'groups';

interface Row extends Pick<NodeRow, Shown | 'model' | 'serial' | 'generation' | 'observed_at' | 'health'> {
  revoked_at: Date | null;
  interfaces: Record<string, { addresses?: Record<string, unknown> }> | null;
  network: unknown;
}

const wantsAddress = sql`jsonb_path_exists(n.wanted, '$.network.interfaces.*.addresses.*')`;

/** Only what the inventory is made of: reading and parsing all that lists show takes twice as long. */
function select(db: Reader) {
  return db
    .selectFrom('node')
    .innerJoin('node_now as n', 'n.node', 'node.id')
    .select(['node.id', 'node.state', 'node.level', 'node.revoked_at'])
    .select([
      'n.fqdn',
      'n.observed_name',
      'n.site',
      'n.rack',
      'n.unit',
      'n.role',
      'n.tags',
      'n.groups',
      'n.model',
      'n.serial',
    ])
    .select(['n.generation', 'n.observed_at', health.as('health')])
    .select(sql<Row['interfaces']>`n.wanted #> '{network,interfaces}'`.as('interfaces'))
    .select(sql<unknown>`case when not ${wantsAddress} then n.observed -> 'network' end`.as('network'));
}

function rowToEntry(row: Row): Entry {
  const optional = <T>(value: T | null) => value ?? undefined;
  const node = {
    id: row.id,
    name: row.fqdn ?? row.observed_name ?? row.id,
    fqdn: optional(row.fqdn),
    state: row.state,
    level: row.level,
    health: row.health,
    site: optional(row.site),
    rack: optional(row.rack),
    unit: optional(row.unit),
    role: optional(row.role),
    tags: row.tags,
    groups: row.groups,
    addresses: addressesOf({ network: { interfaces: row.interfaces ?? {} } }),
    model: optional(row.model),
    serial: optional(row.serial),
    generation: row.generation,
    observed_at: row.observed_at?.toISOString(),
  };
  return toEntry({ node, network: row.network }, row.revoked_at !== null);
}
