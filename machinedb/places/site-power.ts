import { sql } from 'kysely';
import type { Power } from '../../shared/api/power.ts';
import type { Placement } from '../../shared/sections/placement.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { type Consumer, defaultFeeds, type Feed, flow } from './power.ts';
import { standingOf, upstreamOf } from './rack-view.ts';

interface Row {
  name: string;
  node: string | null;
  rack: string;
  standing: Partial<Placement>;
  nameplate_w: number | null;
}

type Draws = Consumer & Power['dark'][number];

export interface Question {
  site: string;
  /** Tell of this rack, and of what else is touched. */
  rack?: string | undefined;
  fail: string[];
}

/** Loads of feeds, and what goes dark when some fail. Throws for a feed that is not there. */
export async function sitePower(db: Reader, { site, rack, fail }: Question): Promise<Power> {
  const feeds = await readFeeds(db, site);
  const failed = new Set(fail.map((name) => feedOf(feeds, site, rack, name)));
  const consumers = await readConsumers(db, site, feeds);
  const now = flow(feeds, consumers, new Set());
  const then = flow(feeds, consumers, failed);
  const shown = (watts: number | undefined) => Math.round(watts ?? 0);
  const loads = feeds.map(({ id, rating_w }) => ({
    feed: id,
    rating_w,
    load_w: shown(now.load.get(id)),
    after_w: shown(then.load.get(id)),
    dead: then.dead.has(id),
    over: shown(then.load.get(id)) > rating_w,
  }));
  const near = (id: string) => rack === undefined || id.startsWith(`${rack}/`) || !id.includes('/');
  return {
    fail: [...failed],
    dark: then.dark.map(toShown),
    feeds: loads.filter(({ feed, load_w, after_w, dead, over }) => near(feed) || dead || over || load_w !== after_w),
    unknown: consumers
      .filter((it) => it.draw_w === undefined && it.feeds.length > 0 && (rack === undefined || it.rack === rack))
      .map(toShown),
  };
}

const toShown = ({ feeds: _, ...consumer }: Draws) => consumer;

async function readFeeds(db: Reader, site: string): Promise<Feed[]> {
  const { rows } = await sql<Omit<Feed, 'upstream'> & { upstream: string | null }>`
    select coalesce(nullif(rack, '') || '/', '') || name as id, rating_w, ${upstreamOf} as upstream
    from power_feed where site = ${site} order by rack, name`.execute(db);
  return rows.map(({ upstream, ...row }) => ({ ...row, upstream: upstream ?? undefined }));
}

/** The feed that a name means: the rack's own, else the site's; RACK/NAME is of any rack. */
function feedOf(feeds: Feed[], site: string, rack: string | undefined, name: string): string {
  const found = [`${rack}/${name}`, name].find((id) => feeds.some((feed) => feed.id === id));
  if (found !== undefined) return found;
  const ids = feeds.map(({ id }) => id);
  const shown = ids.slice(0, 20).join(', ') + (ids.length > 20 ? ', ...' : '');
  throw new Problem('invalid', `site ${site} has no power feed "${name}": it has ${shown || 'none'}`);
}

/** What draws power in the racks of a site. The sides and units of nodes are in their rows of placement, if they have any. */
async function readConsumers(db: Reader, site: string, feeds: Feed[]): Promise<Draws[]> {
  const { rows } = await sql<Row>`
    select coalesce(n.fqdn, n.observed_name, n.node::text) as name, n.node, n.rack, m.draw_w as nameplate_w,
      case when p.node is null then n.wanted -> 'placement' else ${standingOf} end as standing
    from node_now n left join placement p on p.node = n.node left join nameplate m on m.model = n.model
    where n.site = ${site} and n.rack is not null
    union all
    select d.name, null, p.rack, null, ${standingOf} from placement p
    join device d on d.site = p.site and d.name = p.device
    where p.site = ${site} and (p.draw_w is not null or p.feeds is not null)
    order by 3, 1`.execute(db);
  const ids = new Set(feeds.map(({ id }) => id));
  const ofRack = new Map([...new Set(rows.map(({ rack }) => rack))].map((rack) => [rack, defaultFeeds(rack, feeds)]));
  return rows.map(({ name, node, rack, standing, nameplate_w }) => ({
    ...{ name, node: node ?? undefined, rack, unit: standing.unit },
    draw_w: standing.draw_w ?? nameplate_w ?? undefined,
    feeds: standing.feeds?.map((feed) => (ids.has(`${rack}/${feed}`) ? `${rack}/${feed}` : feed)) ?? ofRack.get(rack)!,
  }));
}
