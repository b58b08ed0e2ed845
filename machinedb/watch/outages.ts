import type { Reader } from '../db.ts';

/** Sites that are silent as a whole now, or this one if it is; undefined: none. */
export async function readOutages(db: Reader, site?: string) {
  let rows = db.selectFrom('site_outage').select(['site', 'since', 'nodes']).orderBy('site');
  if (site !== undefined) rows = rows.where('site', '=', site);
  const outages = await rows.execute();
  if (outages.length === 0) return undefined;
  return outages.map((row) => ({ site: row.site, since: row.since.toISOString(), nodes: row.nodes.length }));
}
