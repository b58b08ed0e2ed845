import { sql } from 'kysely';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { isNamed } from './search.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The id of the node that a write names: by id or by intended FQDN only, since what a machine reports of itself must not
 * aim a write. Throws not_found.
 */
export async function nodeForWrite(db: Reader, reference: string): Promise<string> {
  const found = await exact(db, reference);
  if (found !== undefined) return found;
  const meant = await meantBy(db, reference);
  throw new Problem(
    'not_found',
    `there is no node "${reference}" by id or intended FQDN: ${meant}machinedb nodes lists them`,
  );
}

/**
 * The id of the node that a read names: by id, intended FQDN, serial:X, mac:X, or the name it reports. Throws not_found,
 * and conflict when several fit.
 */
export async function nodeForRead(db: Reader, reference: string): Promise<string> {
  const found = await exact(db, reference);
  if (found !== undefined) return found;
  const [, kind, value] = /^(serial|mac):(.+)$/.exec(reference) ?? [undefined, 'name', reference];
  // What fits is found first, by an index: with the limit in sight PostgreSQL would walk all nodes in the order of their ids.
  const { rows } = await sql<{ node: string }>`
    with found as materialized (select node from node_now where ${fits(kind!, value!)})
    select node from found
    -- A merged node is read by its id; what it reported is the other's now.
    where not exists (select from node m where m.id = found.node and m.merged_into is not null)
    order by node limit 3`.execute(db);
  if (rows.length > 1) {
    throw new Problem(
      'conflict',
      `"${reference}" fits several nodes (${rows.map(({ node }) => node).join(', ')}): use an id`,
    );
  }
  if (rows[0] !== undefined) return rows[0].node;
  throw new Problem(
    'not_found',
    `there is no node "${reference}": ${await meantBy(db, reference)}machinedb nodes lists them`,
  );
}

/** Names at most that are offered for one that is none. */
const OFFERED = 3;

/** "did you mean ...? ", where few names have what was given as a part (the host's name alone, say); empty otherwise. */
async function meantBy(db: Reader, reference: string): Promise<string> {
  // Below three characters the index of names does not help.
  if (reference.length < 3) return '';
  const { rows } = await sql<{ name: string }>`
    select coalesce(fqdn, node::text) as name from node_now where ${isNamed(reference)} limit ${OFFERED + 1}`.execute(
    db,
  );
  if (rows.length === 0 || rows.length > OFFERED) return '';
  return `did you mean ${rows
    .map(({ name }) => name)
    .sort()
    .join(', ')}? `;
}

function fits(kind: string, value: string) {
  if (kind === 'serial') return sql`serial = ${value}`;
  if (kind === 'mac') return sql`macs @> array[${value.toLowerCase()}]::text[]`;
  // The index of what lists look for has the names, too: another one would cost each report.
  return sql`${isNamed(value)} and observed_name = ${value}`;
}

async function exact(db: Reader, reference: string): Promise<string | undefined> {
  if (UUID.test(reference)) {
    const row = await db.selectFrom('node').select('id').where('id', '=', reference.toLowerCase()).executeTakeFirst();
    return row?.id;
  }
  const row = await db
    .selectFrom('node_now')
    .select('node')
    .where('fqdn', '=', reference.toLowerCase())
    .executeTakeFirst();
  return row?.node;
}
