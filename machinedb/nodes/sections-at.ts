import { sql } from 'kysely';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';
import type { Side } from '../schema.ts';

/** Section → data of one side of a node, at a time (RFC 3339) or now. Throws `gone` when that past was dropped. */
export async function sectionsAt(
  db: Reader,
  node: string,
  side: Side,
  time: string | undefined,
): Promise<Record<string, unknown>> {
  const read = { [side]: side === 'derived' ? ['wanted', 'state'] : undefined };
  const subject = `node/${node}`;
  // By the index of the versions' constraint: however long the node's history is, only what held then is read.
  const then =
    time === undefined
      ? sql`upper_inf(valid)`
      : sql`valid @> ${time}::timestamptz and hashtextextended(subject, 0) = hashtextextended(${subject}, 0)`;
  const { rows } = await sql<{ section: string; data: unknown }>`
    select section, data from revision
    where subject = ${subject} and side = ${side} and data is not null and ${then} order by section`.execute(db);
  if (time !== undefined) await checkHorizon(db, time, read);
  return Object.fromEntries(rows.map(({ section, data }) => [section, data]));
}

/** Sections that the agent could not observe, and why. */
export async function errorsNow(db: Reader, node: string): Promise<Record<string, string>> {
  const row = await db.selectFrom('node_now').select('errors').where('node', '=', node).executeTakeFirst();
  return row?.errors ?? {};
}

export interface Wanted {
  generation: number;
  wanted: Record<string, unknown>;
  signature?: string;
  key?: string;
}

/** What a node should be or should have been. The signature is of the present only. */
export async function wantedAt(db: Reader, node: string, time: string | undefined): Promise<Wanted> {
  if (time !== undefined) {
    const { wanted } = await sectionsAt(db, node, 'derived', time);
    const { generation, wanted: sections } = (wanted ?? { generation: 0, wanted: {} }) as Wanted;
    return { generation, wanted: sections };
  }
  const row = await db
    .selectFrom('node_now')
    .select(['generation', 'wanted', 'signature', 'signing_key'])
    .where('node', '=', node)
    .executeTakeFirstOrThrow();
  return {
    generation: row.generation,
    wanted: row.wanted,
    ...(row.signature === null ? {} : { signature: row.signature }),
    ...(row.signing_key === null ? {} : { key: row.signing_key }),
  };
}
