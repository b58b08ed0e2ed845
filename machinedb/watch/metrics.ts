import { monitorEventLoopDelay } from 'node:perf_hooks';
import { sql } from 'kysely';
import type { Db } from '../db.ts';
import { alarmed } from '../nodes/node-findings.ts';

/** What this daemon counts of its own work, and what it tells of the fleet (Prometheus text format 0.0.4). */
export interface Metrics {
  problem(code: string): void;
  heartbeats(count: number): void;
  reports(count: number, revisions: number): void;
  render(db: Db): Promise<string>;
  close(): void;
}

export function createMetrics(): Metrics {
  const problems = new Map<string, number>();
  const counts = { heartbeats: 0, heartbeatBatches: 0, reports: 0, reportBatches: 0, revisions: 0 };
  const delay = monitorEventLoopDelay();
  delay.enable();
  return {
    problem: (code) => void problems.set(code, (problems.get(code) ?? 0) + 1),
    heartbeats(count) {
      counts.heartbeats += count;
      counts.heartbeatBatches += 1;
    },
    reports(count, revisions) {
      counts.reports += count;
      counts.reportBatches += 1;
      counts.revisions += revisions;
    },
    close: () => delay.disable(),
    async render(db) {
      const states = await db
        .selectFrom('node')
        .select(['state', (eb) => eb.fn.countAll<number>().as('count')])
        .groupBy('state')
        .execute();
      const findings = await db
        .selectFrom('finding')
        .select(['severity', (eb) => eb.fn.countAll<number>().as('count')])
        .groupBy('severity')
        .execute();
      const { rows: alarms } = await sql<{ severity: string; count: number }>`
        select f.severity, count(*) as count from finding f left join finding_grace g on g.kind = f.kind where ${alarmed} group by 1`.execute(
        db,
      );
      const { rows } = await sql<{
        count: number;
        silent: boolean;
      }>`select count(*) as count, (select silent_since is not null from fleet) as silent from node_now where reachable is false`.execute(
        db,
      );
      const ahead = await feedAhead(db);
      const sites = await db
        .selectFrom('site')
        .leftJoin('site_outage', 'site_outage.site', 'site.name')
        .select(['name', sql<boolean>`site_outage.site is not null`.as('silent')])
        .orderBy('name')
        .execute();
      return [
        metric(
          'machinedb_problems_total',
          'counter',
          'Problems answered, by code',
          [...problems].map(([code, n]) => [`{code="${code}"}`, n]),
        ),
        metric('machinedb_heartbeats_total', 'counter', 'Heartbeats accepted', [['', counts.heartbeats]]),
        metric('machinedb_heartbeat_batches_total', 'counter', 'Transactions that heartbeats took', [
          ['', counts.heartbeatBatches],
        ]),
        metric('machinedb_reports_total', 'counter', 'Reports accepted', [['', counts.reports]]),
        metric('machinedb_report_batches_total', 'counter', 'Transactions that reports took', [
          ['', counts.reportBatches],
        ]),
        metric('machinedb_revisions_total', 'counter', 'Revisions that reports wrote', [['', counts.revisions]]),
        metric('machinedb_event_loop_delay_seconds', 'gauge', '99th percentile of the event loop delay', [
          ['', delay.percentile(99) / 1e9],
        ]),
        metric(
          'machinedb_nodes',
          'gauge',
          'Nodes by state',
          states.map(({ state, count }) => [`{state="${state}"}`, count]),
        ),
        metric('machinedb_nodes_unreachable', 'gauge', 'Nodes whose lease is over', [['', rows[0]!.count]]),
        metric('machinedb_sites_unreachable', 'gauge', 'Sites that fell silent as a whole', [
          ['', sites.filter(({ silent }) => silent).length],
        ]),
        metric(
          'machinedb_site_silent',
          'gauge',
          '1 while a site is silent as a whole',
          sites.map(({ name, silent }) => [`{site="${name}"}`, Number(silent)]),
        ),
        metric(
          'machinedb_feed_ahead_seconds',
          'gauge',
          "How far the feed's times are ahead of PostgreSQL's clock, which was turned back; until it is 0 they stand still",
          [['', ahead]],
        ),
        metric('machinedb_fleet_silent', 'gauge', '1 while no node at all is heard', [['', Number(rows[0]!.silent)]]),
        metric(
          'machinedb_findings',
          'gauge',
          'Open findings by severity',
          findings.map(({ severity, count }) => [`{severity="${severity}"}`, count]),
        ),
        metric(
          'machinedb_findings_alarmed',
          'gauge',
          'Open findings that are older than their grace, and that nobody acknowledged, by severity',
          alarms.map(({ severity, count }) => [`{severity="${severity}"}`, count]),
        ),
      ].join('');
    },
  };
}

async function feedAhead(db: Db): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select greatest(0, extract(epoch from max(at) - clock_timestamp()))::float8 as seconds from (
      (select at from revision order by seq desc limit 1) union all (select at from event order by seq desc limit 1)) as newest`.execute(
    db,
  );
  return rows[0]!.seconds;
}

function metric(name: string, type: string, help: string, samples: [string, number][]): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join('')}`;
}
