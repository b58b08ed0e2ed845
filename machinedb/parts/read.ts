import { sql } from 'kysely';
import type { PartHistory, PartSeen } from '../../shared/api/parts.ts';
import type { Reader } from '../db.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import type { PartKind } from './tables.ts';

interface Query {
  kind?: PartKind | undefined;
  /** Id of a node. */
  node?: string | undefined;
  as_of?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

interface Row {
  id: number;
  kind: PartKind;
  serial: string;
  model: string;
  node: string;
  name: string;
  slot: string;
  since: Date;
  until: Date | null;
}

/** The parts that nodes have, or had at a time. */
export async function listParts(db: Reader, query: Query): Promise<{ items: PartSeen[]; next?: string }> {
  const { kind = null, node = null, as_of = null, cursor, limit = 100 } = query;
  const after = Number(readCursor(cursor, keyForms.seq) ?? 0);
  const then =
    as_of === null
      ? sql`p.until is null`
      : sql`p.since <= ${as_of}::timestamptz and (p.until is null or p.until > ${as_of}::timestamptz)`;
  const { rows } = await sql<Row>`
    select p.*, coalesce(n.fqdn, n.observed_name, p.node::text) as name
    from part_seen p join node_now n on n.node = p.node join node on node.id = p.node
    where p.id > ${after} and ${then} and node.merged_into is null
      and (${kind}::text is null or p.kind = ${kind}) and (${node}::uuid is null or p.node = ${node})
    order by p.id limit ${limit + 1}`.execute(db);
  return toPage(
    rows,
    limit,
    ({ id }) => String(id),
    ({ kind, serial, model, ...row }) => ({ kind, serial, model, ...toSeen(row) }),
  );
}

/** Where the parts with a serial number (MAC, WWN) are and were, the newest first. Throws not_found. */
export async function partHistory(db: Reader, serial: string): Promise<{ items: PartHistory[] }> {
  const forms = [serial, serial.toLowerCase(), serial.toUpperCase()];
  const { rows } = await sql<Row>`
    select p.*, coalesce(n.fqdn, n.observed_name, p.node::text) as name
    from part_seen p join node_now n on n.node = p.node
    where p.serial = any (${forms}) order by p.since desc, p.id desc limit 1000`.execute(db);
  if (rows.length === 0)
    throw new Problem(
      'not_found',
      `no node has reported a part "${serial}": machinedb part list shows those there are`,
    );
  const parts = Map.groupBy(rows, (row) => JSON.stringify([row.kind, row.serial, row.model]));
  return {
    items: [...parts.values()].map((seen) => {
      const { kind, serial: number, model } = seen[0]!;
      return { kind, serial: number, model, seen: seen.map(toSeen) };
    }),
  };
}

function toSeen({ node, name, slot, since, until }: Pick<Row, 'node' | 'name' | 'slot' | 'since' | 'until'>) {
  return { node, name, slot, since: since.toISOString(), until: until?.toISOString() };
}
