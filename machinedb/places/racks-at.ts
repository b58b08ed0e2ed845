import { sql } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';

export interface RackAt {
  site: string;
  name: string;
  height: number;
  description: string | null;
}

export interface RackFilter {
  site?: string | undefined;
  /** Only racks behind this one, by site and name. */
  after?: { site: string; name: string } | undefined;
  limit?: number | undefined;
}

/** The racks that there were at a time (RFC 3339), by site and name: a replay of their events. */
export async function racksAt(db: Reader, time: string, { site, after, limit }: RackFilter = {}): Promise<RackAt[]> {
  const { rows } = await sql<{ site: string; name: string; data: Pick<RackAt, 'height' | 'description'> }>`
    select split_part(last.place, ':', 1) as site, split_part(last.place, ':', 2) as name, last.data from (
      select distinct on (subject) substr(subject, 6) as place, kind, data from event
      where kind in ('rack.put', 'rack.deleted') and at <= ${time}::timestamptz
      order by subject, seq desc) as last
    where last.kind = 'rack.put' and (${site ?? null}::text is null or split_part(last.place, ':', 1) = ${site ?? null})
      and (split_part(last.place, ':', 1), split_part(last.place, ':', 2)) > (${after?.site ?? ''}, ${after?.name ?? ''})
    order by 1, 2 limit ${limit ?? null}`.execute(db);
  return rows.map(({ data, ...key }) => ({ ...key, ...data }));
}

export interface PlacedNode {
  node: string;
  /** The name that the node had; its id when it had none. */
  name: string;
  placement: Placement;
}

/** The nodes that stood in a site, or in one of its racks, by unit; at a time (RFC 3339) or now. */
export async function placedAt(
  db: Reader,
  { site, rack }: { site: string; rack?: string | undefined },
  time?: string,
): Promise<PlacedNode[]> {
  if (time !== undefined) await checkHorizon(db, time, { derived: ['wanted', 'state'] });
  const then = (table: 'w' | 's') => {
    const valid = sql.ref(`${table}.valid`);
    return time === undefined ? sql`upper_inf(${valid})` : sql`${valid} @> ${time}::timestamptz`;
  };
  const { rows } = await sql<{ node: string; name: string | null; placement: Placement }>`
    select node.id as node, w.data #> '{wanted,placement}' as placement,
      (w.data #>> '{wanted,hostname,hostname}') || coalesce('.' || (w.data #>> '{wanted,hostname,domain}'), '') as name
    from revision w join node on w.subject = 'node/' || node.id
    where ${then('w')} and w.side = 'derived' and w.section = 'wanted'
      and w.data #>> '{wanted,placement,site}' = ${site}
      and (${rack ?? null}::text is null or w.data #>> '{wanted,placement,rack}' = ${rack ?? null})
      and exists (select from revision s where s.subject = w.subject and s.side = 'derived' and s.section = 'state'
        and s.data is not null and ${then('s')})
    order by w.data #>> '{wanted,placement,rack}', (w.data #>> '{wanted,placement,unit}')::int nulls last, node.id`.execute(
    db,
  );
  return rows.map(({ node, name, placement }) => ({ node, name: name ?? node, placement }));
}
