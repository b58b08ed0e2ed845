import { sql } from 'kysely';
import type { RackItem, RackView } from '../../shared/api/racks.ts';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';
import { Problem } from '../http/problem.ts';
import { hotOf } from '../nodes/hot.ts';
import type { DeviceKind } from '../schema.ts';

interface Rack {
  site: string;
  rack: string;
}

/** What a rack's row has, beside its name. */
export interface Described {
  height: number;
  description?: string | null;
  descending?: boolean;
  room?: string | null;
  row_name?: string | null;
  position?: number | null;
}

type Feed = RackView['feeds'][number];
type Standing = Omit<Placement, 'site' | 'rack'>;

/** What a rack is, beside its name: from its row, or from the event that its row was written with. */
export function describeRack({ height, description, descending, room, row_name, position }: Described) {
  return {
    height,
    descending: descending === true ? true : undefined,
    room: room ?? undefined,
    row: row_name ?? undefined,
    position: position ?? undefined,
    description: description ?? undefined,
  };
}

/** A rack and what stands in it, now or at a time (RFC 3339). Throws not_found. */
export async function viewRack(db: Reader, rack: Rack, time: string | undefined): Promise<RackView> {
  const view = time === undefined ? await rackNow(db, rack) : await rackAt(db, rack, time);
  const unitOf = ({ unit = 0 }: RackItem) => unit;
  view.items.sort((a, b) => unitOf(a) - unitOf(b) || (a.name < b.name ? -1 : 1));
  view.feeds.sort((a, b) => (a.name < b.name ? -1 : 1));
  return view;
}

function absent({ site, rack }: Rack, when: string): Problem {
  return new Problem(
    'not_found',
    `there is no rack "${rack}" in site "${site}"${when}: machinedb rack list shows them`,
  );
}

async function rackNow(db: Reader, { site, rack }: Rack): Promise<RackView> {
  const row = await db
    .selectFrom('rack')
    .selectAll()
    .where('site', '=', site)
    .where('name', '=', rack)
    .executeTakeFirst();
  if (row === undefined) throw absent({ site, rack }, '');
  const { rows: nodes } = await sql<{ node: string; name: string; placement: Placement }>`
    select node, coalesce(fqdn, observed_name, node::text) as name, wanted -> 'placement' as placement
    from node_now where site = ${site} and rack = ${rack}`.execute(db);
  const { rows: devices } = await sql<{ name: string; kind: DeviceKind; standing: Partial<Placement> }>`
    select d.name, d.kind, ${standingOf} as standing from placement p
    join device d on d.site = p.site and d.name = p.device where p.site = ${site} and p.rack = ${rack}`.execute(db);
  const { rows: feeds } = await sql<Feed>`
    select name, rating_w, ${upstreamOf} as upstream, pdu from power_feed
    where site = ${site} and rack = ${rack}`.execute(db);
  return {
    site,
    name: rack,
    ...describeRack(row),
    items: [...nodes.map(nodeItem), ...devices.map(({ name, kind, standing }) => ({ name, kind, ...standing }))],
    feeds: feeds.map((feed) => withoutNull(feed)),
  };
}

/** Where a row `p` of placement stands, as its placement section says it. */
export const standingOf = sql<Standing>`jsonb_strip_nulls(jsonb_build_object(
  'unit', case when not upper_inf(p.units) then lower(p.units) end,
  'height', case when not upper_inf(p.units) then nullif(upper(p.units) - lower(p.units), 1) end,
  'face', nullif(p.face, 'both'), 'part', p.part, 'side', p.side, 'feeds', p.feeds, 'draw_w', p.draw_w))`;

/** The feed that a row of power_feed hangs on, as text. */
export const upstreamOf = sql<string | null>`coalesce(nullif(upstream_rack, '') || '/', '') || upstream`;

function nodeItem({ node, name, placement }: { node: string; name: string; placement: Placement }): RackItem {
  const { site: _, rack: __, ...standing } = placement;
  return { name, kind: 'node', node, ...standing };
}

interface Act {
  kind: string;
  data: Record<string, unknown>;
}

/** From revisions and events alone: the places that nodes were given, and the acts on the rack and on devices. */
async function rackAt(db: Reader, { site, rack }: Rack, time: string): Promise<RackView> {
  const { rows: acts } = await sql<Act>`
    select kind, data from event where subject = ${`rack/${site}:${rack}`} and at <= ${time}::timestamptz
      and kind in ('rack.put', 'rack.deleted', 'feed.put', 'feed.deleted') order by seq`.execute(db);
  const { described, feeds } = replay(acts);
  if (described === undefined) throw absent({ site, rack }, ` at ${time}`);
  const { rows: placed } = await sql<{ node: string; placement: Placement }>`
    select substr(subject, 6) as node, data as placement from revision
    where side = 'intended' and section = 'placement' and data ->> 'site' = ${site} and data ->> 'rack' = ${rack}
      and valid @> ${time}::timestamptz`.execute(db);
  const names = await namesAt(
    db,
    placed.map(({ node }) => node),
    time,
  );
  const { rows: devices } = await sql<Act & { name: string }>`
    select * from (
      select distinct on (subject) substr(subject, ${`device/${site}:`.length + 1}) as name, kind, data from event
      where kind in ('device.put', 'device.deleted') and starts_with(subject, ${`device/${site}:`})
        and at <= ${time}::timestamptz order by subject, seq desc) as last
    where kind = 'device.put' and data ->> 'rack' = ${rack}`.execute(db);
  await checkHorizon(db, time, { intended: ['placement'], observed: ['hostname'], derived: ['wanted'] });
  return {
    site,
    name: rack,
    ...describeRack(described),
    items: [
      ...placed.map(({ node, placement }) => nodeItem({ node, placement, name: names.get(node) ?? node })),
      ...devices.map(({ name, data }) => deviceItem(name, data)),
    ],
    feeds,
  };
}

/** Id → what a node was called. */
async function namesAt(db: Reader, nodes: string[], time: string): Promise<Map<string, string>> {
  const { rows } = await sql<{ node: string; observed?: Record<string, unknown>; wanted?: Record<string, unknown> }>`
    select substr(w.subject, 6) as node, w.data -> 'wanted' as wanted, jsonb_build_object('hostname', o.data) as observed
    from revision w left join revision o on o.subject = w.subject and o.side = 'observed' and o.section = 'hostname'
      and o.data is not null and o.valid @> ${time}::timestamptz
    where w.subject = any (${nodes.map((node) => `node/${node}`)}) and w.side = 'derived' and w.section = 'wanted'
      and w.valid @> ${time}::timestamptz`.execute(db);
  return new Map(
    rows.flatMap(({ node, observed, wanted }) => {
      const { fqdn, observed_name } = hotOf(withoutNull(observed ?? {}), wanted ?? {});
      const name = fqdn ?? observed_name;
      return name === undefined ? [] : [[node, name]];
    }),
  );
}

function replay(acts: Act[]): { described: Described | undefined; feeds: Feed[] } {
  let described: Described | undefined;
  const feeds = new Map<string, Feed>();
  for (const { kind, data } of acts) {
    if (kind === 'rack.put') described = data as unknown as Described;
    else if (kind === 'rack.deleted') described = undefined;
    else {
      const { name, ...feed } = data as unknown as Feed;
      if (kind === 'feed.put') feeds.set(name, { name, ...feed });
      else feeds.delete(name);
    }
  }
  return { described, feeds: [...feeds.values()] };
}

function deviceItem(name: string, data: Record<string, unknown>): RackItem {
  const {
    kind,
    rack: _,
    chassis_id: __,
    description: ___,
    ...standing
  } = data as { kind: DeviceKind } & Record<string, unknown>;
  return { name, kind, ...standing };
}

function withoutNull<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as T;
}
