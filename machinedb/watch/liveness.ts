import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';

/** A site where more than this share goes silent at once has a problem of its own, or we have. */
const SITE_SHARE = 0.2;
const SITE_NODES = 5;

/**
 * Background task: who is reachable, by PostgreSQL's clock alone. After a time in which no daemon listened, or a jump of
 * that clock, nobody is called unreachable before two leases are over: the silence was ours.
 *
 * @param gapMs how long a pause of the daemons is still no pause, milliseconds
 */
export async function watchLiveness(tx: Tx, gapMs: number): Promise<void> {
  const gap = sql`make_interval(secs => ${gapMs / 1000})`;
  await sql`
    update fleet set listening_at = now(), listening_since =
      case when now() - listening_at between interval '0' and ${gap} then listening_since else now() end`.execute(tx);
  const { rows } = await sql<{ node: string; site: string | null; reachable: boolean }>`
    with alive as (
      select h.node, h.at + make_interval(secs => h.lease_ms / 1000.0) > now() and h.at < now() + interval '1 hour' as reachable, h.lease_ms
      from heartbeat h join node on node.id = h.node and node.revoked_at is null and node.state <> 'retired'
    ), moved as (
      update node_now n set reachable = a.reachable, reachable_at = now() from alive a, fleet f
      where n.node = a.node and n.reachable is distinct from a.reachable
        and (a.reachable or f.listening_since + make_interval(secs => 2 * a.lease_ms / 1000.0) < now())
      returning n.node, n.site, n.reachable
    )
    select * from moved order by node`.execute(tx);
  await append(tx, [], await eventsFor(tx, rows));
}

async function eventsFor(
  tx: Tx,
  moved: { node: string; site: string | null; reachable: boolean }[],
): Promise<NewEvent[]> {
  const events: NewEvent[] = [];
  const event = (node: string, kind: string): NewEvent => ({ kind, subject: `node/${node}`, actor: 'system' });
  for (const { node } of moved.filter(({ reachable }) => reachable)) events.push(event(node, 'node.reachable'));
  const lost = Map.groupBy(
    moved.filter(({ reachable }) => !reachable),
    ({ site }) => site,
  );
  for (const [site, nodes] of lost) {
    if (site !== null && (await isWholeSite(tx, site, nodes.length))) {
      const reason = `${nodes.length} nodes fell silent at once: look at the site's network, and at ours, first`;
      events.push({
        kind: 'site.unreachable',
        subject: `site/${site}`,
        actor: 'system',
        reason,
        data: { nodes: nodes.map(({ node }) => node) },
      });
    } else {
      for (const { node } of nodes) events.push(event(node, 'node.unreachable'));
    }
  }
  return events;
}

async function isWholeSite(tx: Tx, site: string, lost: number): Promise<boolean> {
  const { count } = await tx
    .selectFrom('node_now')
    .innerJoin('heartbeat', 'heartbeat.node', 'node_now.node')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('site', '=', site)
    .executeTakeFirstOrThrow();
  return lost >= SITE_NODES && lost > SITE_SHARE * count;
}
