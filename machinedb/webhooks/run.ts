import { randomUUID } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { type Db, transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import type { Database } from '../schema.ts';
import type { Kek } from '../trust/seal.ts';
import { type Attempt, attempt } from './attempt.ts';
import { toMessage } from './message.ts';
import { newestSeq, nextItems } from './next.ts';
import type { PostOptions } from './post.ts';

export type Webhook = Selectable<Database['webhook']>;

export interface RunOptions extends PostOptions {
  /** Pause before each attempt of a message after the one before, milliseconds; after the last the endpoint is disabled. */
  retriesMs: readonly number[];
  /** How long a run has an endpoint for itself without renewing it, milliseconds: more than one attempt takes. */
  leaseMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
  now: () => number;
}

const PAGE = 50;
/** Items of other kinds that are passed by before the cursor is moved over them. */
const SKIP = 1000;

/** A run over one endpoint. */
interface Run {
  db: Db;
  kek: Kek;
  epoch: string;
  options: RunOptions;
  lease: string;
  stopped: () => boolean;
}

/**
 * Sends an endpoint what is next, item after item in the feed's order, until nothing is left or an attempt fails. Only one
 * run has it at a time, in all daemons: each change of its row is made under the lease, and a run that lost it stops.
 */
export async function runWebhook(
  db: Db,
  kek: Kek,
  epoch: string,
  seen: Webhook,
  options: RunOptions,
  stopped: () => boolean,
): Promise<void> {
  if ((await nextItems(db, epoch, seen, 1)).length === 0) return await passBy(db, epoch, seen);
  const run: Run = { db, kek, epoch, options, stopped, lease: randomUUID() };
  let hook = await claim(run, seen.name);
  while (hook !== undefined && !stopped()) {
    const items = await nextItems(db, epoch, hook, PAGE);
    if (items.length === 0) break;
    for (const { seq, item } of items) {
      if (hook === undefined || stopped()) break;
      hook = await settle(run, hook, seq, await attempt(db, kek, hook, toMessage(item), options));
    }
  }
  await db.updateTable('webhook').set({ lease: null, lease_until: null }).where('lease', '=', run.lease).execute();
}

/** Moves the cursor over what is not of the endpoint's kinds, now and then, so that it is not looked at for ever. */
async function passBy(db: Db, epoch: string, seen: Webhook): Promise<void> {
  // Before the items are looked at once more: what comes in between is behind this place.
  const newest = await newestSeq(db);
  if (newest < seen.cursor + SKIP || (await nextItems(db, epoch, seen, 1)).length > 0) return;
  await sql`
    update webhook set cursor = ${newest} where name = ${seen.name} and cursor = ${seen.cursor} and kinds = ${seen.kinds}`.execute(
    db,
  );
}

const until = ({ options }: Run) => sql<Date>`clock_timestamp() + make_interval(secs => ${options.leaseMs / 1000})`;

/** Takes the endpoint for this run; undefined: it is another's, not due, or no longer to be told. */
async function claim(run: Run, name: string): Promise<Webhook | undefined> {
  return await run.db
    .updateTable('webhook')
    .set({ lease: run.lease, lease_until: until(run) })
    .where('name', '=', name)
    .where(due(run.epoch))
    .returningAll()
    .executeTakeFirst();
}

/** Which endpoints have a message to get now, if there is one. */
export function due(epoch: string) {
  return sql<boolean>`state = 'active' and epoch = ${epoch} and next_at <= clock_timestamp()
    and (lease_until is null or lease_until < clock_timestamp())`;
}

/** Writes down what came of an attempt; the endpoint as it goes on, undefined: not now. */
async function settle(run: Run, hook: Webhook, seq: number, result: Attempt): Promise<Webhook | undefined> {
  const { db, options, lease } = run;
  const tried = { tried_at: sql<Date>`clock_timestamp()`, last_status: result.status ?? null };
  const mine = db.updateTable('webhook').where('name', '=', hook.name).where('lease', '=', lease);
  if (result.delivered) {
    const done = { cursor: seq, attempts: 0, delivered: hook.delivered + 1, delivered_at: tried.tried_at };
    return await mine
      .set({ ...tried, ...done, last_error: null, lease_until: until(run) })
      .returningAll()
      .executeTakeFirst();
  }
  const attempts = hook.attempts + 1;
  const pause = options.retriesMs[attempts];
  const failed = { ...tried, attempts, last_error: result.error ?? null };
  if (result.gone || pause === undefined) {
    await disable(run, hook.name, failed, result.gone);
    return undefined;
  }
  // A little apart, so that receivers that were down are not met by all at once.
  const seconds = (pause * (1 + 0.1 * options.random())) / 1000;
  await mine
    .set({
      ...failed,
      next_at: sql<Date>`clock_timestamp() + make_interval(secs => ${seconds})`,
      lease: null,
      lease_until: null,
    })
    .execute();
  return undefined;
}

interface Failed {
  tried_at: ReturnType<typeof sql<Date>>;
  last_status: number | null;
  attempts: number;
  last_error: string | null;
}

async function disable({ db, lease }: Run, name: string, failed: Failed, gone: boolean): Promise<void> {
  await transaction(db, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('webhook')
      .set({ ...failed, state: 'disabled', lease: null, lease_until: null })
      .where('name', '=', name)
      .where('lease', '=', lease)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return;
    const reason = `${failed.last_error}${gone ? '' : `, ${failed.attempts} times`}: machinedb webhook resume ${name} goes on with the message that is next`;
    const event = { kind: 'webhook.disabled', subject: `webhook/${name}`, actor: 'system', reason };
    await append(tx, [], [event]);
  });
}
