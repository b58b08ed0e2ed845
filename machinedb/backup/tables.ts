import type pg from 'pg';
import type { Head } from './format.ts';

/** The tables of a database with the columns that are stored by hand, each after those that it refers to. */
export async function tablesOf(client: pg.Client): Promise<Head['tables']> {
  const { rows: tables } = await client.query<{ name: string; columns: string[]; needs: string[] }>(`
    select c.relname as name,
      (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      (select coalesce(array_agg(r.relname::text), '{}') from pg_constraint k join pg_class r on r.oid = k.confrelid
       where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as needs
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by c.relname`);
  const sorted: typeof tables = [];
  for (let left = tables; left.length > 0; ) {
    const named = new Set(sorted.map(({ name }) => name));
    const free = left.filter(({ needs }) => needs.every((other) => named.has(other)));
    if (free.length === 0)
      throw new Error(`tables refer to each other in a circle: ${left.map(({ name }) => name).join(', ')}`);
    sorted.push(...free);
    left = left.filter((table) => !free.includes(table));
  }
  return sorted.map(({ name, columns }) => ({ name, columns }));
}

export async function sequencesOf(client: pg.Client): Promise<Head['sequences']> {
  const { rows } = await client.query<{ name: string; value: string | null; start: string }>(
    `select sequencename as name, last_value::text as value, start_value::text as start from pg_sequences where schemaname = 'public' order by 1`,
  );
  return rows.map(({ name, value, start }) => ({ name, value: Number(value ?? start), called: value !== null }));
}
