import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';

export interface FeedValues {
  rating_w: number;
  upstream?: string | undefined;
  pdu?: string | undefined;
}

/** A feed of a site (rack '') or of a rack. */
export interface FeedKey {
  site: string;
  rack: string;
  name: string;
}

/** Stores a feed; answers what it hangs on, as NAME or RACK/NAME. Throws when it would hang on itself, or on nothing. */
export async function storeFeed(tx: Tx, key: FeedKey, { rating_w, upstream, pdu }: FeedValues) {
  await lockPlace(tx, key);
  const above = upstream === undefined ? undefined : await upstreamFor(tx, key, upstream);
  await checkPdu(tx, key.site, pdu);
  const values = { rating_w, pdu: pdu ?? null, upstream_rack: above ?? null, upstream: upstream ?? null };
  await tx
    .insertInto('power_feed')
    .values({ ...key, ...values })
    .onConflict((conflict) => conflict.columns(['site', 'rack', 'name']).doUpdateSet(values))
    .execute();
  await checkCircle(tx, key);
  return upstream === undefined ? undefined : above === '' ? upstream : `${above}/${upstream}`;
}

/** Throws while something draws from a feed, or hangs on it. */
export async function removeFeed(tx: Tx, key: FeedKey): Promise<void> {
  await lockPlace(tx, key);
  const { site, rack, name } = key;
  const { rows } = await sql<{ who: string }>`
    select rack || '/' || name as who from power_feed
    where site = ${site} and upstream_rack = ${rack} and upstream = ${name}
    union all
    select coalesce(n.fqdn, n.observed_name, n.node::text, p.device) from placement p left join node_now n on n.node = p.node
    where p.site = ${site} and ${name} = any (p.feeds) and (${rack} = p.rack or ${rack} = '' and not exists (
      select from power_feed f where f.site = p.site and f.rack = p.rack and f.name = ${name}))
    limit 5`.execute(tx);
  if (rows.length > 0)
    throw new Problem(
      'conflict',
      `feed ${name} is drawn from by ${rows.map(({ who }) => who).join(', ')}: give them another first`,
    );
  const deletion = tx.deleteFrom('power_feed').where('site', '=', site).where('rack', '=', rack);
  if ((await deletion.where('name', '=', name).executeTakeFirstOrThrow()).numDeletedRows === 0n)
    throw new Problem('not_found', `there is no power feed "${name}" there: machinedb feed list shows them`);
}

/** Writers of a site's feeds come one after the other; whoever places something in the rack comes before or after. */
async function lockPlace(tx: Tx, { site, rack }: FeedKey): Promise<void> {
  const sites = await sql`select from site where name = ${site} for no key update`.execute(tx);
  if (sites.rows.length === 0)
    throw new Problem('invalid', `there is no site "${site}": machinedb site list shows them`);
  if (rack === '') return;
  const racks = await sql`select from rack where site = ${site} and name = ${rack} for no key update`.execute(tx);
  if (racks.rows.length === 0)
    throw new Problem('invalid', `there is no rack "${rack}" in site "${site}": machinedb rack list shows them`);
}

async function upstreamFor(tx: Tx, { site, rack, name }: FeedKey, upstream: string): Promise<string> {
  const rows = await tx
    .selectFrom('power_feed')
    .select('rack')
    .where('site', '=', site)
    .where('rack', 'in', [rack, ''])
    .where('name', '=', upstream)
    .orderBy('rack', 'desc')
    .execute();
  // The A of a rack may hang on the A of its site.
  const found = rows.find((row) => row.rack !== rack || upstream !== name);
  if (found !== undefined) return found.rack;
  throw new Problem(
    'invalid',
    `there is no power feed "${upstream}" that ${name} could hang on: machinedb feed list shows them`,
  );
}

async function checkPdu(tx: Tx, site: string, pdu: string | undefined): Promise<void> {
  if (pdu === undefined) return;
  const devices = tx.selectFrom('device').select('kind').where('site', '=', site).where('name', '=', pdu);
  const device = await devices.executeTakeFirst();
  if (device?.kind !== 'pdu')
    throw new Problem('invalid', `site ${site} has no PDU "${pdu}": machinedb device list shows what it has`);
}

async function checkCircle(tx: Tx, { site, rack, name }: FeedKey): Promise<void> {
  const { rows } = await sql`
    with recursive above as (
      select upstream_rack as rack, upstream as name from power_feed
      where site = ${site} and rack = ${rack} and name = ${name}
      union
      select f.upstream_rack, f.upstream from power_feed f join above on f.rack = above.rack and f.name = above.name
      where f.site = ${site})
    select from above where rack = ${rack} and name = ${name}`.execute(tx);
  if (rows.length > 0)
    throw new Problem('conflict', `feed ${name} would hang on itself: give it an upstream that does not hang on it`);
}
