import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { lockNode } from '../trust/node-state.ts';

/** Boots an hour that are still believable. */
const BOOTS_PER_HOUR = 30;
const BOOTS_KEPT = 100;

export interface BootReport {
  node: string;
  bootId: string;
  seq: number;
  /** Hash of the report: a retry has the same. */
  digest: string;
}

/** `new`: store it. `again`: it was stored before, answer the same. A problem: it is dropped. */
export type BootVerdict = { verdict: 'new' | 'again' } | { problem: Problem };

/**
 * Whether a report comes in its order. Within a boot its number goes forward; a boot that gave way to another one does
 * not come back, unless there are two copies of one machine. Answers the alarm events to append.
 */
export async function judgeBoot(tx: Tx, report: BootReport): Promise<{ outcome: BootVerdict; events: NewEvent[] }> {
  const { node, bootId, seq, digest } = report;
  const boots = await tx
    .selectFrom('node_boot')
    .selectAll()
    .select(sql<boolean>`first_at > now() - interval '1 hour'`.as('recent'))
    .where('node', '=', node)
    .orderBy('first_at', 'desc')
    .limit(BOOTS_KEPT)
    .execute();
  const known = boots.find((boot) => boot.boot_id === bootId);
  if (known === undefined) return await newBoot(tx, report, boots.filter(({ recent }) => recent).length);
  if (known !== boots[0]) {
    const problem = new Problem('conflict', `boot ${bootId} gave way to a newer one: the report is dropped`);
    // What was seen before is an old report sent again; a new one comes from a second machine with this identity.
    if (seq <= known.last_seq) return { events: [], outcome: { problem } };
    const reason = `reports of two boots take turns (${bootId} came back after ${boots[0]!.boot_id}): two machines share one identity`;
    return { events: await lockNode(tx, node, reason), outcome: { problem } };
  }
  if (seq === known.last_seq && digest === known.digest) return { outcome: { verdict: 'again' }, events: [] };
  if (seq <= known.last_seq) {
    const detail = `report ${seq} of this boot comes after report ${known.last_seq}: it is dropped`;
    return { outcome: { problem: new Problem('conflict', detail) }, events: [] };
  }
  await tx
    .updateTable('node_boot')
    .set({ last_seq: seq, digest })
    .where('node', '=', node)
    .where('boot_id', '=', bootId)
    .execute();
  return { outcome: { verdict: 'new' }, events: [] };
}

async function newBoot(tx: Tx, { node, bootId, seq, digest }: BootReport, recent: number) {
  if (recent >= BOOTS_PER_HOUR) {
    const detail = `this node has booted ${recent} times within an hour: reports are taken again later`;
    return {
      outcome: { problem: new Problem('too_many', detail, { retryAfter: 600 }) },
      events: await alarm(tx, node, recent),
    };
  }
  await tx
    .insertInto('node_boot')
    .values({ node, boot_id: bootId, first_at: sql<Date>`clock_timestamp()`, last_seq: seq, digest })
    .execute();
  await sql`
    delete from node_boot where node = ${node} and boot_id in (
      select boot_id from node_boot where node = ${node} order by first_at desc offset ${BOOTS_KEPT})`.execute(tx);
  return { outcome: { verdict: 'new' as const }, events: [] };
}

/** One alarm an hour, however often the node tries. */
async function alarm(tx: Tx, node: string, recent: number): Promise<NewEvent[]> {
  return await alarmHourly(tx, node, 'alarm.boots', `${recent} boots within an hour`);
}

/** An alarm about a node, unless the same was raised within the hour. */
export async function alarmHourly(
  tx: Tx,
  node: string,
  kind: string,
  reason: string,
  data: Record<string, unknown> = {},
): Promise<NewEvent[]> {
  const subject = `node/${node}`;
  const { rows } = await sql`
    select 1 from event where subject = ${subject} and kind = ${kind} and at > now() - interval '1 hour' limit 1`.execute(
    tx,
  );
  return rows.length > 0 ? [] : [{ kind, subject, actor: 'system', reason, data }];
}
