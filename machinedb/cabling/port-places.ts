import { sql } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { cellsOf } from '../places/cells.ts';

/** A port of a switch, and the place of the machine behind it. */
export interface PortPlace extends Pick<Placement, 'site' | 'unit' | 'height' | 'face' | 'part'> {
  switch: string;
  port: string;
  rack: string;
}

/** Stores what ports say, all or none. Throws for a rack that is not there, and for units that it does not have. */
export async function storePortPlaces(tx: Tx, items: PortPlace[]): Promise<void> {
  const rows = items.map(({ switch: of, port, site, rack, ...standing }, i) => ({
    ...{ i, switch: of, port, site, rack, standing, top: standing.unit! + (standing.height ?? 1) - 1 },
    ...cellsOf(standing),
  }));
  const json = JSON.stringify(rows);
  const { rows: wrong } = await sql<{ i: number; height: number | null }>`
    select x.i, r.height from json_to_recordset(${json}::json) as x(i int, site text, rack text, top int)
    left join rack r on r.site = x.site and r.name = x.rack where r.height is null or r.height < x.top order by x.i`.execute(
    tx,
  );
  if (wrong.length > 0) {
    const errors = wrong.slice(0, 50).map(({ i, height }) => {
      const { site, rack, unit } = items[i]!;
      const what = height === null ? 'there is none' : `unit ${unit} and up do not fit: it has ${height}`;
      return {
        detail: `rack ${rack} of site ${site}: ${what}; machinedb rack list shows them`,
        pointer: `/items/${i}`,
      };
    });
    throw new Problem('invalid', errors[0]!.detail, { errors });
  }
  await sql`
    insert into port_place (switch, port, site, rack, standing, units, faces, lanes)
    select distinct on (switch, lower(port)) switch, port, site, rack, standing, units::int4range, faces::int4range,
      lanes::int4range
    from json_to_recordset(${json}::json) as x(i int, switch text, port text, site text, rack text, standing jsonb, units text,
      faces text, lanes text) order by switch, lower(port), i desc
    on conflict (switch, lower(port)) do update set port = excluded.port, site = excluded.site, rack = excluded.rack,
      standing = excluded.standing, units = excluded.units, faces = excluded.faces, lanes = excluded.lanes`.execute(tx);
}
