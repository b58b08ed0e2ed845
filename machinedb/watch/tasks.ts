import { sql } from 'kysely';
import type { Logger } from 'pino';
import { checkCabling } from '../cabling/check.ts';
import type { Config } from '../config.ts';
import { type Db, type Tx, transaction } from '../db.ts';
import { endAcknowledgements } from '../drift/acknowledgements.ts';
import { judgeDue } from '../drift/judge.ts';
import { followTraits } from '../drift/siblings.ts';
import { append } from '../feed/feed.ts';
import { clearNews } from '../feed/node-changes.ts';
import { judgeSome } from '../groups/judge.ts';
import { dropOld } from '../history/retention.ts';
import { rebuildOldParts } from '../parts/rebuild.ts';
import { closeExpired } from '../rescue/close.ts';
import { expireSlots } from '../rollout/expire.ts';
import { type Clock, openClock } from './clock.ts';
import { watchLiveness } from './liveness.ts';
import { advance, findStuck } from './states.ts';

export interface Task {
  name: string;
  /** Answers `true` when there is more to do at once, in another transaction. `away`: its last run by this daemon failed. */
  run: (tx: Tx, config: Config, away: boolean) => Promise<unknown>;
}

/** How long a reader may be away and still read only what changed. */
const CHANGES_KEPT_MS = 30 * 60_000;

/** How often a task that has more to do goes on before the others have their turn. */
const TURNS = 20;

/** Who is reachable, by a clock that is watched for jumps. */
export function livenessTask(clock: Clock): Task {
  return {
    name: 'liveness',
    run: async (tx, config, away) => {
      const jumped = await clock.jumped(tx);
      await watchLiveness(tx, { gapMs: Math.max(30_000, 3 * config.taskMs), away: away || jumped });
    },
  };
}

/** All background work beside it. Each takes no input, is safe twice, and is done by one daemon at a time. */
const tasks: Task[] = [
  { name: 'states', run: advanceAll },
  { name: 'stuck', run: (tx, config) => findStuck(tx, config.stateLimitScale) },
  { name: 'acknowledgements', run: endAcknowledgements },
  { name: 'clean up', run: cleanUp },
  { name: 'changes', run: (tx) => clearNews(tx, CHANGES_KEPT_MS) },
  { name: 'slots', run: expireSlots },
  { name: 'rescues', run: closeExpired },
  { name: 'retention', run: (tx) => dropOld(tx) },
  { name: 'groups', run: judgeSome },
  { name: 'siblings', run: followTraits },
  { name: 'cabling', run: checkCabling },
  { name: 'parts', run: rebuildOldParts },
  { name: 'profiles', run: judgeDue },
];

/**
 * Runs the tasks again and again until stopped; a failed one is logged and tried again the next time.
 *
 * @param more tasks that need more than a transaction and the configuration
 * @param monotonic milliseconds that never jump
 */
export function startTasks(
  db: Db,
  config: Config,
  log: Logger,
  random: () => number,
  more: Task[] = [],
  monotonic: () => number = () => performance.now(),
): { stop(): Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const away = new Set<Task>();
  const all = [livenessTask(openClock(log, monotonic)), ...tasks, ...more];
  const runAll = async () => {
    for (const [i, task] of all.entries()) {
      const runOnce = (tx: Tx) => runLocked(tx, i, task, config, away.has(task));
      try {
        for (let turn = 0, isMore = true; isMore && turn < TURNS && !stopped; turn++) {
          const { got, isMore: again } = await transaction(db, runOnce);
          isMore = again;
          if (got && away.delete(task))
            log.warn({ task: task.name }, 'a background task works again; what it missed, it takes for unknown');
        }
      } catch (error) {
        away.add(task);
        if (!stopped) log.warn({ task: task.name, err: error }, 'a background task failed; it is tried again');
      }
    }
  };
  const schedule = () => {
    timer = setTimeout(
      () => {
        running = runAll().then(() => {
          if (!stopped) schedule();
        });
      },
      config.taskMs * (0.8 + 0.4 * random()),
    );
  };
  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Whether this daemon did the task, and whether there is more to do for it. */
async function runLocked(tx: Tx, i: number, task: Task, config: Config, away: boolean) {
  const { rows } = await sql<{ got: boolean }>`select pg_try_advisory_xact_lock(7103, ${i}) as got`.execute(tx);
  const got = rows[0]!.got;
  return { got, isMore: got && (await task.run(tx, config, away)) === true };
}

/** Heartbeats, too, can complete a state: what a report left open is finished here. */
async function advanceAll(tx: Tx): Promise<void> {
  const rows = await tx
    .selectFrom('node')
    .select('id')
    .where('state', 'in', ['approved', 'configuring'])
    .where('level', 'in', ['approved', 'attested'])
    // A chance order: nodes that stand still must not keep others from their turn.
    .orderBy(sql`random()`)
    .limit(1000)
    .forUpdate()
    .skipLocked()
    .execute();
  const { revisions, events } = await advance(
    tx,
    rows.map(({ id }) => id),
  );
  await append(tx, revisions, events);
}

async function cleanUp(tx: Tx): Promise<void> {
  await sql`delete from idempotency where at < now() - interval '2 days'`.execute(tx);
  await sql`delete from nonce_use where at < now() - interval '1 day'`.execute(tx);
  await sql`delete from allocation where state = 'quarantined' and until < now()`.execute(tx);
  // A claim that nobody approved and that is silent makes room; a machine that is still there claims again.
  await sql`
    delete from node n where level = 'claimed' and state = 'discovered' and revoked_at is null and locked_at is null
      and created_at < now() - interval '7 days'
      -- What a person has to decide, or has decided, stays.
      and not exists (select from quarantine q where q.node = n.id and q.closed_at is null)
      and not exists (select from node m where m.merged_into = n.id)
      and not exists (select from heartbeat h where h.node = n.id and h.at > now() - interval '7 days')`.execute(tx);
}
