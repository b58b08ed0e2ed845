import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { judge, type Outage, type Overdue, type Situation, type Verdict } from './judge.ts';

export interface LivenessOptions {
  /** How long a pause of the daemons is still no pause, milliseconds. */
  gapMs: number;
  /** Since this daemon looked the last time the database did not answer, or its clock jumped: nobody knows who was heard meanwhile. */
  away?: boolean;
}

/**
 * Background task: who is reachable, by PostgreSQL's clock alone. After a time in which no daemon listened, the database was
 * away or its clock jumped, nobody is called unreachable before two leases are over: the silence was ours.
 */
export async function watchLiveness(tx: Tx, { gapMs, away = false }: LivenessOptions): Promise<void> {
  const gap = sql`make_interval(secs => ${gapMs / 1000})`;
  const { rows } = await sql<{ listening_ms: number; silent: boolean }>`
    update fleet set listening_at = now(), listening_since =
      case when not ${away} and now() - listening_at between interval '0' and ${gap} then listening_since else now() end
    returning extract(epoch from now() - listening_since)::float8 * 1000 as listening_ms, silent_since is not null as silent`.execute(
    tx,
  );
  const { listening_ms: listeningMs, silent } = rows[0]!;
  const situation = { listeningMs, silent, ...(await readSituation(tx)) };
  const verdict = judge(situation);
  await store(tx, verdict, silent);
  await append(tx, [], eventsFor(verdict, situation));
}

/**
 * Nodes that anybody waits for: a revoked or retired one may be silent. A beat that is to come in more than a lease is from before
 * the clock was turned back, and no sign of life.
 */
const expected = sql`
  select h.node, n.site, n.reachable, h.lease_ms, h.at,
    h.at + make_interval(secs => h.lease_ms / 1000.0) > now() and h.at < now() + make_interval(secs => h.lease_ms / 1000.0) as alive
  from heartbeat h join node on node.id = h.node and node.revoked_at is null and node.state <> 'retired'
    join node_now n on n.node = h.node`;

async function readSituation(tx: Tx): Promise<Omit<Situation, 'listeningMs' | 'silent'>> {
  const { rows: sites } = await sql<{ site: string | null; alive: number; newest_ms: number; lease_ms: number }>`
    select site, count(*) filter (where alive) as alive, max(lease_ms) as lease_ms,
      extract(epoch from now() - max(at) filter (where at < now() + make_interval(secs => lease_ms / 1000.0)))::float8 * 1000 as newest_ms
    from (${expected}) as e group by site`.execute(tx);
  const { rows: moved } = await sql<Overdue & { alive: boolean }>`
    select node, site, alive, lease_ms as "leaseMs", case when at > now() then 'infinity'::float8
      else extract(epoch from now() - at)::float8 * 1000 - lease_ms end as "overdueMs"
    from (${expected}) as e where alive and reachable is distinct from true or not alive and reachable is distinct from false
    order by node`.execute(tx);
  const { rows: outages } = await sql<Outage & { site: string }>`
    select o.site, extract(epoch from now() - o.returning_since)::float8 * 1000 as "returningMs", array(select n.node from node_now n join node on node.id = n.node and node.revoked_at is null and node.state <> 'retired'
      where n.node = any (o.nodes) and n.site = o.site and n.reachable is false order by n.node)::text[] as nodes
    from site_outage o order by o.site`.execute(tx);
  const newest = sites.flatMap(({ newest_ms }) => (newest_ms === null ? [] : [newest_ms]));
  return {
    newestMs: newest.length === 0 ? undefined : Math.min(...newest),
    leaseMs: Math.max(0, ...sites.map(({ lease_ms }) => lease_ms)),
    alive: new Map(sites.map(({ site, alive }) => [site, alive])),
    overdue: moved.filter(({ alive }) => !alive),
    heard: moved.filter(({ alive }) => alive),
    outages: new Map(
      outages.map(({ site, nodes, returningMs }) => [site, { nodes, returningMs: returningMs ?? undefined }]),
    ),
  };
}

async function store(tx: Tx, { silent, lost, back, sites }: Verdict, wasSilent: boolean): Promise<void> {
  // Whoever is heard again after we heard nobody has its two leases from now on.
  if (silent !== wasSilent)
    await sql`update fleet set silent_since = ${silent ? sql`now()` : sql`null`}, listening_since = now()`.execute(tx);
  const unreachable = [...lost, ...sites.flatMap((site) => [...site.lost, ...site.left])];
  const reachable = [...back, ...sites.flatMap((site) => site.back)];
  await sql`
    update node_now n set reachable = x.reachable, reachable_at = now() from (
      select unnest(${unreachable}::uuid[]) as node, false as reachable
      union all select unnest(${reachable}::uuid[]), true) as x
    where n.node = x.node and n.reachable is distinct from x.reachable`.execute(tx);
  for (const { site, phase, lost: more } of sites) {
    if (phase === 'ends') await tx.deleteFrom('site_outage').where('site', '=', site).execute();
    else
      await sql`
        insert into site_outage (site, nodes) values (${site}, ${more}::uuid[])
        on conflict (site) do update set nodes = site_outage.nodes || excluded.nodes,
          returning_since = case when ${phase === 'returns'} then coalesce(site_outage.returning_since, now()) end
        where excluded.nodes <> '{}' or (site_outage.returning_since is null) = ${phase === 'returns'}`.execute(tx);
  }
}

function eventsFor({ silent, lost, back, sites }: Verdict, before: Situation): NewEvent[] {
  const event = (kind: string, subject: string, more: Partial<NewEvent> = {}): NewEvent => ({
    ...{ kind, subject, actor: 'system' },
    ...more,
  });
  const node = (kind: string) => (id: string) => event(kind, `node/${id}`);
  const ofSites = sites.flatMap(({ site, phase, ...nodes }) => {
    const told = (kind: string, list: string[], reason?: string) =>
      event(kind, `site/${site}`, { reason, data: { nodes: list } });
    if (phase === 'ends') return [told('site.reachable', nodes.back), ...nodes.left.map(node('node.unreachable'))];
    if (phase !== 'begins') {
      const more = nodes.lost.length === 0 ? [] : [told('site.silent', nodes.lost)];
      return nodes.back.length === 0 ? more : [...more, told('site.heard', nodes.back)];
    }
    const reason = `${nodes.lost.length} nodes fell silent at once: look at the site's network, and at ours, first`;
    return [told('site.unreachable', nodes.lost, reason)];
  });
  const nobody = `no node has been heard for ${Math.round((before.newestMs ?? 0) / 1000)} s: look at this service and its network first; no node is called unreachable`;
  return [
    ...(silent && !before.silent ? [event('fleet.silent', 'fleet', { reason: nobody })] : []),
    ...(before.silent && !silent ? [event('fleet.heard', 'fleet')] : []),
    ...back.map(node('node.reachable')),
    ...lost.map(node('node.unreachable')),
    ...ofSites,
  ];
}
