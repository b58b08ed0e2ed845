import { sql } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { cellsOf } from './cells.ts';
import { NodesRefused, type RefusedNode } from './refused.ts';

/** Who is to stand where: a node, or a device of the placement's site. Without placement it leaves. */
export interface Wish {
  node?: string;
  device?: string;
  placement: Placement | undefined;
}

/**
 * Stores where things stand, all or none: what moves leaves first, so that two change places. PostgreSQL refuses any
 * overlap. Throws NodesRefused, for every wish that cannot be had, that the place is taken, too high, in no rack, or without such a feed.
 * Writers of one rack wait for each other.
 */
export async function storePlacements(tx: Tx, wishes: Wish[]): Promise<void> {
  if (wishes.length === 0) return;
  const rows = wishes.map(({ node, device, placement }, i) => ({
    ...{ i, node, device, ...placement, face: placement?.face ?? 'both' },
    ...(placement?.rack === undefined ? undefined : cellsOf(placement)),
  }));
  const json = JSON.stringify(rows);
  const heights = await lockRacks(tx, json);
  await sql`
    delete from placement p using json_to_recordset(${json}::json) as x(node uuid, device text, site text)
    where p.node = x.node or p.device = x.device and p.site = x.site`.execute(tx);
  const feedless = await unknownFeeds(tx, json);
  const invalid = wishes.flatMap((wish, i) => {
    const reason = unfit(wish.placement, heights) ?? feedless.get(i);
    return reason === undefined ? [] : [{ node: wish.node, problem: new Problem('invalid', reason) }];
  });
  if (invalid.length > 0) throw new NodesRefused(invalid);
  await sql`
    insert into placement (node, device, site, rack, face, faces, units, lanes, part, side, feeds, draw_w)
    select node, device, site, rack, face, faces::int4range, units::int4range, lanes::int4range, part, side, feeds, draw_w
    from json_to_recordset(${json}::json) as x(i int, node uuid, device text, site text, rack text, face text, faces text,
      units text, lanes text, part text, side text, feeds text[], draw_w int)
    where units is not null order by i on conflict do nothing`.execute(tx);
  const taken = await leftOut(tx, json, wishes);
  if (taken.length > 0) throw new NodesRefused(taken);
}

/** Stores where a node stands. Throws as storePlacements() does. */
export async function storePlacement(tx: Tx, node: string, placement: Placement | undefined): Promise<void> {
  await storePlacements(tx, [{ node, placement }]);
}

/** "SITE/RACK" → height of the racks that are left or entered; they stay as they are to the end of the transaction. */
async function lockRacks(tx: Tx, json: string): Promise<Map<string, number>> {
  const { rows } = await sql<{ site: string; name: string; height: number }>`
    select site, name, height from rack where (site, name) in (
      select site, rack from json_to_recordset(${json}::json) as x(site text, rack text)
      union select p.site, p.rack from placement p join json_to_recordset(${json}::json) as x(node uuid, device text, site text)
        on p.node = x.node or p.device = x.device and p.site = x.site)
    order by site, name for no key update`.execute(tx);
  return new Map(rows.map(({ site, name, height }) => [`${site}/${name}`, height]));
}

function unfit(placement: Placement | undefined, heights: Map<string, number>): string | undefined {
  const { site, rack, unit, height = 1 } = placement ?? {};
  if (rack === undefined) return undefined;
  const has = heights.get(`${site}/${rack}`);
  if (has === undefined) return `there is no rack ${rack} in site ${site}: machinedb rack list shows them`;
  if (unit === undefined || unit + height - 1 <= has) return undefined;
  return `units ${unit}-${unit + height - 1} do not fit: rack ${rack} of site ${site} has ${has}`;
}

async function unknownFeeds(tx: Tx, json: string): Promise<Map<number, string>> {
  const { rows } = await sql<{ i: number; site: string; rack: string; feed: string }>`
    select distinct on (x.i) x.i, x.site, x.rack, feed
    from json_to_recordset(${json}::json) as x(i int, site text, rack text, feeds text[]), unnest(x.feeds) as feed
    where not exists (select from power_feed f where f.site = x.site and f.rack in (x.rack, '') and f.name = feed)
    order by x.i, feed`.execute(tx);
  return new Map(
    rows.map(({ i, site, rack, feed }) => [
      i,
      `there is no power feed ${feed} in rack ${rack} of site ${site}: machinedb feed list shows them`,
    ]),
  );
}

/** The wishes that PostgreSQL left out, and who stands where they would. */
async function leftOut(tx: Tx, json: string, wishes: Wish[]): Promise<RefusedNode[]> {
  const { rows } = await sql<{ i: number; who: string; holder: string | null; units: string }>`
    select distinct on (x.i) x.i, coalesce(n.fqdn, n.observed_name, t.node::text, t.device) as who, t.node as holder,
      case when upper_inf(t.units) then 'the whole side'
        else 'units ' || concat_ws('-', lower(t.units), nullif(upper(t.units) - 1, lower(t.units))) end as units
    from json_to_recordset(${json}::json) as x(i int, node uuid, device text, site text, rack text, faces text, units text, lanes text)
    join placement t on t.site = x.site and t.rack = x.rack and t.units && x.units::int4range
      and t.faces && x.faces::int4range and t.lanes && x.lanes::int4range
    left join node_now n on n.node = t.node
    where x.units is not null and not exists (
      select from placement p where p.node = x.node or p.device = x.device and p.site = x.site)
    order by x.i, t.units`.execute(tx);
  return rows.map(({ i, who, holder, units }) => {
    const { node, placement } = wishes[i]!;
    const problem = new Problem('conflict', `${textOf(placement!)} is taken by ${who} (${units})`);
    return { node, holder: holder ?? undefined, problem };
  });
}

function textOf({ site, rack, unit, height = 1, side }: Placement): string {
  const units = unit === undefined ? `the ${side} side` : `unit ${unit}${height === 1 ? '' : `-${unit + height - 1}`}`;
  return `${units} of rack ${rack} in site ${site}`;
}

/** Stores the MACs that the intents of nodes name. Throws NodesRefused when some are named for two nodes. */
export async function storeIntendedMacs(tx: Tx, macsOf: Map<string, string[]>): Promise<void> {
  const pairs = [...macsOf].flatMap(([node, macs]) => [...new Set(macs)].map((mac) => ({ node, mac })));
  const json = JSON.stringify(pairs);
  await sql`
    delete from intended_mac i where i.node = any (${[...macsOf.keys()]}::uuid[]) and not exists (
      select from json_to_recordset(${json}::json) as x(node uuid, mac macaddr) where x.node = i.node and x.mac = i.mac)`.execute(
    tx,
  );
  // In the order of MACs, so that two writers wait for each other on the first that both name.
  await sql`
    insert into intended_mac (mac, node) select mac, node from json_to_recordset(${json}::json) as x(node uuid, mac macaddr)
    order by mac, node on conflict (mac) do nothing`.execute(tx);
  const { rows } = await sql<{ mac: string; node: string; holder: string }>`
    select i.mac, x.node, i.node as holder from json_to_recordset(${json}::json) as x(node uuid, mac macaddr)
    join intended_mac i on i.mac = x.mac and i.node <> x.node order by i.mac, x.node`.execute(tx);
  const refused = rows.map(({ mac, node, holder }) => {
    const message = `MAC ${mac} is intended for node ${holder} already: a port is in one machine`;
    return { node, holder, problem: new Problem('conflict', message) };
  });
  if (refused.length > 0) throw new NodesRefused(refused);
}
