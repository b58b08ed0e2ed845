import { CompiledQuery, sql } from 'kysely';
import type { Heartbeat, HeartbeatReply } from '../../shared/api/agent.ts';
import type { Db } from '../db.ts';
import { prepared } from '../failover/prepared.ts';
import { Problem } from '../http/problem.ts';
import { mayApply } from '../rollout/slot.ts';
import type { Metrics } from '../watch/metrics.ts';
import { createBatcher } from './batch.ts';

/** Beats a second that the fleet may make before the interval grows. */
const BEATS_PER_SECOND = 3000;
const COUNT_EVERY_MS = 10_000;
const BATCH = 2000;
const WAITING = 50_000;
/** Each batch costs as much as 30 beats in it: at 3,000 beats a second, those of 5 ms share one. */
const SPACING_MS = 5;

export interface Heartbeats {
  /** Records a beat by PostgreSQL's clock and says when the next is due. Throws for a revoked node. */
  beat(node: string, beat: Heartbeat): Promise<HeartbeatReply>;
  close(): Promise<void>;
}

export interface HeartbeatOptions {
  /** Shortest time between two beats of a node, milliseconds. */
  intervalMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
  metrics: Metrics;
}

/** What is wanted of a node, in the order of their bits in what the database answers of a beat. */
const WANTS = ['observed', 'wanted', 'install', 'apply'] as const;
/** Of each set of them: most beats get the same few. */
const wantsOf = Array.from({ length: 2 ** WANTS.length }, (_, bits) => WANTS.filter((_, bit) => bits & (1 << bit)));

interface Item {
  node: string;
  beat: Heartbeat;
}

/** The interval before splay and the lease, milliseconds, when `live` nodes beat. */
export function pace(intervalMs: number, live: number): { baseMs: number; leaseMs: number } {
  const baseMs = Math.max(intervalMs, (live / BEATS_PER_SECOND) * 1000);
  return { baseMs, leaseMs: Math.round(3 * baseMs + Math.min(15_000, baseMs / 2)) };
}

/** The name of the plan of a batch when `live` nodes beat: it is made anew when the fleet has doubled. */
export function planFor(live: number): string {
  return `heartbeat_${Math.ceil(Math.log2(live + 1))}`;
}

export function createHeartbeats(db: Db, options: HeartbeatOptions): Heartbeats {
  let live = 0;
  const count = async () => {
    const row = await db
      .selectFrom('heartbeat')
      .select((eb) => eb.fn.countAll<number>().as('live'))
      .where('at', '>', sql<Date>`now() - make_interval(secs => lease_ms / 1000.0)`)
      .executeTakeFirstOrThrow();
    live = row.live;
  };
  // A count that fails is made again by the next; the pace changes slowly anyway.
  const timer = setInterval(() => void count().catch(() => undefined), COUNT_EVERY_MS).unref();
  const { sql: text } = statement.compile(db);
  const batcher = createBatcher<Item, HeartbeatReply>({
    size: BATCH,
    waiting: WAITING,
    spacingMs: SPACING_MS,
    keyOf: ({ node }) => node,
    async run(items) {
      const { baseMs, leaseMs } = pace(options.intervalMs, live);
      const { rows } = await db.executeQuery<{ wants: string }>(
        CompiledQuery.raw(prepared(planFor(live), text), [...columns(items), leaseMs]),
      );
      options.metrics.heartbeats(items.length);
      return items.map((_, i) => {
        const want = wantsOf[rows[0]!.wants.charCodeAt(i) - FIRST];
        if (want === undefined)
          return new Problem('unauthenticated', 'this node was revoked: an operator can approve it again');
        return { next_in_ms: Math.round(baseMs * (0.8 + 0.4 * options.random())), lease_ms: leaseMs, want };
      });
    },
  });
  return {
    beat: async (node, beat) => await batcher.put({ node, beat }),
    async close() {
      clearInterval(timer);
      await batcher.close();
    },
  };
}

/** What the parameters of the statement are: a PostgreSQL array a column of the beats, made here because pg's way is slow. */
function columns(items: Item[]): string[] {
  const column = (pick: (item: Item) => string | number) => `{${items.map(pick).join(',')}}`;
  return [
    column(({ node }) => node),
    column(({ beat }) => quote(beat.boot_id)),
    column(({ beat }) => beat.seq),
    column(({ beat }) => quote(beat.facts)),
    column(({ beat }) => beat.generation),
    column(({ beat }) => quote(beat.version)),
  ];
}

function quote(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;
}

const FIRST = 'a'.charCodeAt(0);
const parameter = (n: number) => sql.raw(`$${n}`);

/**
 * Stores beats and answers a letter a beat: `-` for a revoked node, else what is wanted of it (see WANTS; `a`: nothing). Sorted by
 * node, so that two daemons' batches wait for each other instead of deadlocking.
 */
const statement = sql`
  with beat as materialized (
    select b.*, node.id is not null as known, n.facts is distinct from b.facts as observed, n.generation as newest,
      node.level in ('approved', 'attested') and node.locked_at is null as entitled,
      node.reinstall > node.installed as install, ${mayApply} as apply
    from unnest(${parameter(1)}::uuid[], ${parameter(2)}::text[], ${parameter(3)}::bigint[], ${parameter(4)}::text[], ${parameter(5)}::bigint[],
        ${parameter(6)}::text[]) with ordinality as b(node, boot_id, seq, facts, generation, version, i)
      -- Each by its key, whatever PostgreSQL believes of the tables' sizes: of a young fleet it knows none, and the plan is kept.
      left join lateral (select * from node where id = b.node and revoked_at is null offset 0) as node on true
      left join lateral (select facts, generation from node_now where node = node.id offset 0) as n on true
  ), written as (
    insert into heartbeat (node, at, lease_ms, boot_id, seq, facts, generation, version)
    select node, clock_timestamp(), ${parameter(7)}::integer, boot_id, seq, facts, generation, version
    from beat where known order by node
    on conflict (node) do update set at = excluded.at, lease_ms = excluded.lease_ms, boot_id = excluded.boot_id,
      seq = excluded.seq, facts = excluded.facts, generation = excluded.generation, version = excluded.version
  )
  select string_agg(case when known then chr(${sql.lit(FIRST)} + observed::integer + case when entitled
      then 2 * (generation < newest)::integer + 4 * install::integer + 8 * apply::integer else 0 end) else '-' end,
    '' order by i) as wants
  -- A crash may lose the last beats: the nodes beat again.
  from beat where (select set_config('synchronous_commit', 'off', true)) is not null`;
