import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { placeEvent } from './place-removal.ts';

type Described = { name: string; description: string | null };
const toDescribed = ({ name, description }: Described) => ({ name, description: description ?? undefined });

/** Lists of sites and of roles are alike. */
export async function listDescribed(
  db: Reader,
  table: 'site' | 'role',
  query: { cursor?: string | undefined; limit?: number | undefined },
) {
  const limit = query.limit ?? 100;
  const rows = await db
    .selectFrom(table)
    .select(['name', 'description'])
    .where('name', '>', readCursor(query.cursor, keyForms.name) ?? '')
    .orderBy('name')
    .limit(limit + 1)
    .execute();
  return toPage(rows, limit, ({ name }) => name, toDescribed);
}

/** Makes or changes a site or role. */
export async function putDescribed(
  tx: Tx,
  table: 'site' | 'role',
  name: string,
  description: string | undefined,
  who: string,
) {
  const values = { description: description ?? null };
  await tx
    .insertInto(table)
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
  await append(tx, [], [placeEvent(`${table}.put`, `${table}/${name}`, who, values)]);
  return toDescribed({ name, ...values });
}
