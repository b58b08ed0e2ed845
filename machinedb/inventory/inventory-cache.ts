import { sql } from 'kysely';
import pg from 'pg';
import type { Db, Tx } from '../db.ts';
import { beginNews, type Position, readNews } from '../feed/node-changes.ts';
import { addressesOf, health } from '../nodes/node-view.ts';
import { Book, type Inventory } from './book.ts';
import { type Entry, entryOf, type Kind, type Own, type Shared, shareOf } from './host.ts';

const CHUNK = 5000;
const TEXT_ARRAY = 1009;

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
      const { rows } = await sql<Row>`${select} where node.id = any(${changed}::uuid[])`.execute(tx);
      const found = new Set(rows.map(({ id }) => id));
      before.book.update(
        rows.map(entryReader()),
        changed.filter((id) => !found.has(id)),
      );
      return { life, snapshot, book: before.book };
    });
}

/** PostgreSQL reads on while the rows before are worked on. */
async function readAll(tx: Tx): Promise<Entry[]> {
  await sql`declare inventory no scroll cursor for ${select}`.execute(tx);
  const fetch = () => sql<Row>`fetch ${sql.lit(CHUNK)} from inventory`.execute(tx);
  const toEntry = entryReader();
  const entries: Entry[] = [];
  for (let coming = fetch(); ; ) {
    const { rows } = await coming;
    if (rows.length === CHUNK) coming = fetch();
    for (const row of rows) entries.push(toEntry(row));
    if (rows.length < CHUNK) return entries;
  }
}

interface Row {
  id: string;
  fqdn: string | null;
  observed_name: string | null;
  unit: number | null;
  serial: string | null;
  generation: number;
  /** As the API writes a time. */
  observed_at: string | null;
  /** A `Kind` as PostgreSQL prints an array of texts, which costs it less than JSON. */
  kind: string;
  interfaces: Record<string, { addresses?: Record<string, unknown> }> | null;
  network: unknown;
}

const wantsAddress = sql`jsonb_path_exists(n.wanted, '$.network.interfaces.*.addresses.*')`;

/** Only what the inventory is made of, and what many nodes share as one text: that takes a third of reading what lists show. */
const select = sql`
  select node.id, n.fqdn, n.observed_name, n.unit, n.serial, n.generation,
    to_char(n.observed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as observed_at,
    array[node.state, node.level, (node.revoked_at is not null)::text, ${health}, n.site, n.rack, n.role, n.model,
      n.tags::text, n.groups::text]::text as kind,
    n.wanted #> '{network,interfaces}' as interfaces, case when not ${wantsAddress} then n.observed -> 'network' end as network
  from node join node_now n on n.node = node.id`;

/** Rows to entries, of which those that share a `Kind` share its texts. */
function entryReader(): (row: Row) => Entry {
  const kinds = new Map<string, Shared>();
  const optional = <T>(value: T | null) => value ?? undefined;
  return (row) => {
    const shared = kinds.get(row.kind) ?? shareOf(toKind(row.kind));
    kinds.set(row.kind, shared);
    const { id, generation } = row;
    const own: Own = {
      id,
      name: row.fqdn ?? row.observed_name ?? id,
      fqdn: optional(row.fqdn),
      unit: optional(row.unit),
      addresses: row.interfaces === null ? [] : addressesOf({ network: { interfaces: row.interfaces } }),
      serial: optional(row.serial),
      generation,
      observed_at: optional(row.observed_at),
    };
    return entryOf(own, row.network, shared);
  };
}

const parseTexts = pg.types.getTypeParser(TEXT_ARRAY as number) as unknown as (text: string) => (string | null)[];

function toKind(text: string): Kind {
  const [state, level, revoked, health, site, rack, role, model, tags, groups] = parseTexts(text);
  const optional = (value: string | null | undefined) => value ?? undefined;
  return {
    state: state as Kind['state'],
    level: level as Kind['level'],
    revoked: revoked === 'true',
    health: health as Kind['health'],
    site: optional(site),
    rack: optional(rack),
    role: optional(role),
    model: optional(model),
    tags: parseTexts(tags!) as string[],
    groups: parseTexts(groups!) as string[],
  };
}
