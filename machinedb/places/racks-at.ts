import { sql } from 'kysely';
import type { Reader } from '../db.ts';
import type { Described } from './rack-view.ts';

/** A rack's row, or what the event says that it was written with. */
export interface RackAt extends Described {
  site: string;
  name: string;
}

export interface RackFilter {
  site?: string | undefined;
  /** Racks of this name. */
  named?: string | undefined;
  /** Only racks behind this one, by site and name. */
  after?: { site: string; name: string } | undefined;
  limit?: number | undefined;
}

/** The racks that there were at a time (RFC 3339), by site and name: a replay of their events. */
export async function racksAt(
  db: Reader,
  time: string,
  { site, named, after, limit }: RackFilter = {},
): Promise<RackAt[]> {
  const { rows } = await sql<{ site: string; name: string; data: Described }>`
    select split_part(last.place, ':', 1) as site, split_part(last.place, ':', 2) as name, last.data from (
      select distinct on (subject) substr(subject, 6) as place, kind, data from event
      where kind in ('rack.put', 'rack.deleted') and at <= ${time}::timestamptz
      order by subject, seq desc) as last
    where last.kind = 'rack.put' and (${site ?? null}::text is null or split_part(last.place, ':', 1) = ${site ?? null})
      and (${named ?? null}::text is null or split_part(last.place, ':', 2) = ${named ?? null})
      and (split_part(last.place, ':', 1), split_part(last.place, ':', 2)) > (${after?.site ?? ''}, ${after?.name ?? ''})
    order by 1, 2 limit ${limit ?? null}`.execute(db);
  return rows.map(({ data, ...key }) => ({ ...key, ...data }));
}
