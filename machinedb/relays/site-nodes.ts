import { sql } from 'kysely';
import type { RelayNode } from '../../shared/api/relay.ts';
import { addressesOfCard, bootFacts, bootNodes, toBootNode } from '../boot/boot.ts';
import { type BootNode, decideBoot } from '../boot/decide.ts';
import type { Context } from '../context.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { orderOf } from '../install/order.ts';
import { inRescue } from '../rescue/rescue.ts';

/**
 * Nodes of a site as its relay keeps them, in the order of their ids, at most `limit`: how each boots, by which cards it is
 * known, and the keys it signs with. No facts and no intent: what is wanted of a node is the node's own to read.
 */
export async function siteNodes(
  context: Context,
  site: string,
  after: string | undefined,
  limit: number,
): Promise<RelayNode[]> {
  const { db } = context;
  let select = bootNodes(db)
    .select(['node.install_request', inRescue.as('inRescue')])
    .where('n.site', '=', site)
    .limit(limit);
  if (after !== undefined) select = select.where('node.id', '>', after);
  const rows = await select.execute();
  const facts = await bootFacts(context);
  const ids = rows.map(({ id }) => id);
  const [macs, keys] = [await macsOf(db, ids), await keysOf(db, ids)];
  return rows.map((row) => {
    const cards = (macs.get(row.id) ?? []).map((mac): [string, string[]] => [
      mac,
      addressesOfCard(row.wanted, row.observed, mac),
    ]);
    const now = toBootNode(row, '');
    // An install that a relay sees to its end is the boot that was asked for, and more.
    const later = { ...now, rescue: null, once: null };
    const until = (now.rescue ?? now.once)?.until;
    const bootOf = (node: BootNode) => {
      const { addresses: _, ...boot } = decideBoot({ nodes: [node], ...facts });
      return boot;
    };
    const order = orderOf({ ...row, install_progress: row.progress }, row.held || row.locked || row.inRescue);
    return {
      node: row.id,
      level: row.level,
      cards: Object.fromEntries(cards),
      keys: row.revoked ? [] : (keys.get(row.id) ?? []),
      boot: bootOf(now),
      ...(until === undefined ? {} : { later: { at: new Date(until).toISOString(), boot: bootOf(later) } }),
      ...(order === undefined ? {} : { install: { ...order, after: bootOf({ ...later, installed: row.reinstall }) } }),
    };
  });
}

async function macsOf(db: Reader, ids: string[]): Promise<Map<string, string[]>> {
  const { rows } = await sql<{ node: string; macs: string[] }>`
    select node, array_agg(distinct mac order by mac) as macs from (
      select node, unnest(macs) as mac from node_now where node = any (${ids}::uuid[])
      union select node, substr(hint, 5) from node_hint where node = any (${ids}::uuid[]) and hint like 'mac:%'
      union select node, mac::text from intended_mac where node = any (${ids}::uuid[])) as card
    group by node`.execute(db);
  return new Map(rows.map(({ node, macs }) => [node, macs]));
}

async function keysOf(db: Reader, ids: string[]): Promise<Map<string, RelayNode['keys']>> {
  const keys = new Map<string, RelayNode['keys']>();
  if (ids.length === 0) return keys;
  const rows = await db
    .selectFrom('node_key')
    .select(['node', 'fingerprint', 'kind', 'public_key'])
    .where('node', 'in', ids)
    .where('status', '=', 'current')
    .orderBy('fingerprint')
    .execute();
  for (const { node, public_key, ...key } of rows)
    keys.set(node, [...(keys.get(node) ?? []), { ...key, public_key: public_key.toString('base64') }]);
  return keys;
}

/**
 * Throws not_found unless a relay of the site may carry what the node says: it is of that site, or of none yet. The words are
 * the same for a node that does not exist.
 */
export async function checkSite(db: Reader, node: string, site: string): Promise<void> {
  const { rows } = await sql`
    select from node_now where node::text = ${node} and (site is null or site = ${site})`.execute(db);
  if (rows.length === 0) throw noSuchNode(node);
}

function noSuchNode(node: string): Problem {
  return new Problem('not_found', `there is no node ${node.slice(0, 100)} at the site of this relay`);
}
