import { sql } from 'kysely';
import type { Heartbeat, HeartbeatReply } from '../../shared/api/agent.ts';
import type { Db } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { mayApply } from '../rollout/slot.ts';
import type { Metrics } from '../watch/metrics.ts';
import { createBatcher } from './batch.ts';

/** Beats a second that the fleet may make before the interval grows. */
const BEATS_PER_SECOND = 3000;
const COUNT_EVERY_MS = 10_000;
const BATCH = 2000;
const WAITING = 50_000;

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

interface Stored {
  node: string;
  facts: string | null;
  generation: number;
  entitled: boolean;
  /** A person asked for an install of this node. */
  install: boolean;
  /** It waits for its turn to apply, and it may be its turn. */
  apply: boolean;
}

/** The interval before splay and the lease, milliseconds, when `live` nodes beat. */
export function pace(intervalMs: number, live: number): { baseMs: number; leaseMs: number } {
  const baseMs = Math.max(intervalMs, (live / BEATS_PER_SECOND) * 1000);
  return { baseMs, leaseMs: Math.round(3 * baseMs + Math.min(15_000, baseMs / 2)) };
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
  const batcher = createBatcher<{ node: string; beat: Heartbeat }, HeartbeatReply>({
    size: BATCH,
    waiting: WAITING,
    keyOf: ({ node }) => node,
    async run(items) {
      const { baseMs, leaseMs } = pace(options.intervalMs, live);
      const stored = new Map((await store(db, items, leaseMs)).map((row) => [row.node, row]));
      options.metrics.heartbeats(items.length);
      return items.map(({ node, beat }) => {
        const row = stored.get(node);
        if (row === undefined)
          return new Problem('unauthenticated', 'this node was revoked: an operator can approve it again');
        return {
          next_in_ms: Math.round(baseMs * (0.8 + 0.4 * options.random())),
          lease_ms: leaseMs,
          want: [
            ...(row.facts === beat.facts ? [] : (['observed'] as const)),
            ...(row.entitled && beat.generation < row.generation ? (['wanted'] as const) : []),
            ...(row.entitled && row.install ? (['install'] as const) : []),
            ...(row.entitled && row.apply ? (['apply'] as const) : []),
          ],
        };
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

/** Sorted by node, so that two daemons' batches wait for each other instead of deadlocking. */
async function store(db: Db, items: { node: string; beat: Heartbeat }[], leaseMs: number): Promise<Stored[]> {
  const column = <T>(pick: (beat: Heartbeat) => T) => items.map(({ beat }) => pick(beat));
  const { rows } = await sql<Stored>`
    with beat as (
      select * from unnest(${items.map(({ node }) => node)}::uuid[], ${column((b) => b.boot_id)}::text[], ${column((b) => b.seq)}::bigint[],
        ${column((b) => b.facts)}::text[], ${column((b) => b.generation)}::bigint[], ${column((b) => b.version)}::text[])
        as b(node, boot_id, seq, facts, generation, version)
    ), written as (
      insert into heartbeat (node, at, lease_ms, boot_id, seq, facts, generation, version)
      select b.node, clock_timestamp(), ${leaseMs}, b.boot_id, b.seq, b.facts, b.generation, b.version
      from beat b join node on node.id = b.node and node.revoked_at is null order by b.node
      on conflict (node) do update set at = excluded.at, lease_ms = excluded.lease_ms, boot_id = excluded.boot_id,
        seq = excluded.seq, facts = excluded.facts, generation = excluded.generation, version = excluded.version
      returning node
    )
    select n.node, n.facts, n.generation, node.level in ('approved', 'attested') and node.locked_at is null as entitled,
      node.reinstall > node.installed as install, ${mayApply} as apply,
      -- A crash may lose the last beats: the nodes beat again.
      set_config('synchronous_commit', 'off', true)
    from written join node_now n on n.node = written.node join node on node.id = written.node`.execute(db);
  return rows;
}
