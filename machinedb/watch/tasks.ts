import { sql } from 'kysely';
import type { Logger } from 'pino';
import { checkCabling } from '../cabling/check.ts';
import type { Config } from '../config.ts';
import { type Db, type Tx, transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';
import { closeExpired } from '../rescue/close.ts';
import { expireSlots } from '../rollout/expire.ts';
import { watchLiveness } from './liveness.ts';
import { advance, findStuck } from './states.ts';

export interface Task {
  name: string;
  /** Answers `true` when there is more to do at once, in another transaction. */
  run: (tx: Tx, config: Config) => Promise<unknown>;
}

/** How often a task that has more to do goes on before the others have their turn. */
const TURNS = 20;

/** All background work. Each takes no input, is safe twice, and is done by one daemon at a time. */
const tasks: Task[] = [
  { name: 'liveness', run: (tx, config) => watchLiveness(tx, Math.max(30_000, 3 * config.taskMs)) },
  { name: 'states', run: advanceAll },
  { name: 'stuck', run: (tx, config) => findStuck(tx, config.stateLimitScale) },
  { name: 'acknowledgements', run: recountExpired },
  { name: 'clean up', run: cleanUp },
  { name: 'slots', run: expireSlots },
  { name: 'rescues', run: closeExpired },
  { name: 'cabling', run: checkCabling },
];

/**
 * Runs the tasks again and again until stopped; a failed one is logged and tried again the next time.
 *
 * @param more tasks that need more than a transaction and the configuration
 */
export function startTasks(
  db: Db,
  config: Config,
  log: Logger,
  random: () => number,
  more: Task[] = [],
): { stop(): Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const runAll = async () => {
    for (const [i, task] of [...tasks, ...more].entries()) {
      const runOnce = (tx: Tx) => runLocked(tx, i, task, config);
      try {
        for (let turn = 0; turn < TURNS && !stopped && (await transaction(db, runOnce)); turn++);
      } catch (error) {
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

/** Whether there is more to do for this daemon. */
async function runLocked(tx: Tx, i: number, task: Task, config: Config): Promise<boolean> {
  const { rows } = await sql<{ got: boolean }>`select pg_try_advisory_xact_lock(7103, ${i}) as got`.execute(tx);
  return rows[0]!.got && (await task.run(tx, config)) === true;
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

async function recountExpired(tx: Tx): Promise<void> {
  const { rows } = await sql<{ node: string }>`
    update finding set acknowledged_by = null, acknowledged_until = null, acknowledged_reason = null
    where acknowledged_until < now() returning node`.execute(tx);
  if (rows.length > 0) await countFindings(tx, [...new Set(rows.map(({ node }) => node))]);
}

async function cleanUp(tx: Tx): Promise<void> {
  await sql`delete from idempotency where at < now() - interval '2 days'`.execute(tx);
  await sql`delete from nonce_use where at < now() - interval '1 day'`.execute(tx);
  await sql`delete from allocation where state = 'quarantined' and until < now()`.execute(tx);
  // A claim that nobody approved and that is silent makes room; a machine that is still there claims again.
  await sql`
    delete from node n where level = 'claimed' and state = 'discovered' and revoked_at is null and locked_at is null
      and created_at < now() - interval '7 days'
      and not exists (select from heartbeat h where h.node = n.id and h.at > now() - interval '7 days')`.execute(tx);
}
