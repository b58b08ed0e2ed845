import { sql } from 'kysely';
import type { Proposal } from '../../shared/api/cabling.ts';
import type { Reader } from '../db.ts';
import { hears, mayHear } from './neighbors.ts';

export interface Wanted {
  /** Only these nodes. */
  nodes?: string[] | undefined;
  /** Only nodes with a larger id. */
  after?: string | undefined;
  limit: number;
}

type Row = Omit<Proposal, 'unit' | 'height' | 'face' | 'part' | 'taken_by'> & {
  standing: Pick<Proposal, 'unit' | 'height' | 'face' | 'part'>;
  taken_by: string | null;
};

/** The place that the switch ports of each node without a rack speak for most, by node id. */
export async function readProposals(db: Reader, { nodes, after, limit }: Wanted): Promise<Proposal[]> {
  const { rows } = await sql<Row>`
    with vote as (
      select h.node, h.interface, h.switch || ' ' || h.port as plug, c.site, c.rack, c.standing, c.units, c.faces, c.lanes
      from neighbor h join node_now n on n.node = h.node
      join port_place c on ${mayHear} and ${hears(sql`c.site`)}
      where n.rack is null and (n.site is null or n.site = c.site)
        and (${nodes ?? null}::uuid[] is null or h.node = any (${nodes ?? null}::uuid[]))
        and (${after ?? null}::uuid is null or h.node > ${after ?? null}::uuid)
    ), place as (
      select v.node, v.site, v.rack, v.standing, v.units, v.faces, v.lanes, count(distinct v.interface)::int as agree,
        (select count(distinct o.interface)::int from vote o where o.node = v.node) as heard,
        array_agg(distinct v.interface || ' ' || v.plug order by v.interface || ' ' || v.plug) as ports
      from vote v group by v.node, v.site, v.rack, v.standing, v.units, v.faces, v.lanes
    ), judged as (
      select p.*, (select coalesce(t.device, n.fqdn, n.observed_name, t.node::text)
        from placement t left join node_now n on n.node = t.node
        where t.site = p.site and t.rack = p.rack and t.units && p.units and t.faces && p.faces and t.lanes && p.lanes
        limit 1) as taken_by
      from place p
    )
    select distinct on (j.node) j.node, coalesce(n.fqdn, n.observed_name, n.node::text) as name, j.site, j.rack, j.standing,
      j.agree, j.heard, j.taken_by is null as free, j.taken_by, j.ports,
      case when j.taken_by is null then round(j.agree::numeric / j.heard, 3)::float8 else 0 end as confidence
    from judged j join node_now n on n.node = j.node
    order by j.node, j.agree desc, (j.taken_by is null) desc, j.site, j.rack, j.units limit ${limit}`.execute(db);
  return rows.map(({ standing, taken_by, ...row }) => ({ ...row, ...standing, taken_by: taken_by ?? undefined }));
}
