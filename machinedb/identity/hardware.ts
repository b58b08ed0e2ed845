import { sql } from 'kysely';
import { canonical } from '../../shared/canonical.ts';
import type { Memory } from '../../shared/sections/memory.ts';
import type { Nics } from '../../shared/sections/nics.ts';
import type { System } from '../../shared/sections/system.ts';
import type { Reader, Tx } from '../db.ts';
import { hintsOf, storeHints } from '../enrol/hints.ts';
import { identifying } from '../enrol/match.ts';
import type { NewEvent } from '../feed/feed.ts';
import { alarmHourly } from '../reports/boots.ts';
import type { Hardware } from '../schema.ts';
import { compare } from './compare.ts';

/** Sections that tell who a machine is. */
const TELLING = ['system', 'memory', 'nics'];

/** As much as a claim may tell of (shared/api/agent.ts): what a report tells compares with it. */
const MACS = 64;
const DIMMS = 128;
const LONGEST = 100;

/** Whether nothing is as on record, or only what an enclosure's machines share: then a key is a copy's. */
export function isOtherHardware(id: string, before: Hardware, now: Hardware): boolean {
  const [had, has] = [hintsOf(before), hintsOf(now)];
  if (had.length === 0 || has.length === 0) return false;
  const known = { id, hardware: identifying(before) };
  return (
    !has.some((hint) => had.includes(hint)) || compare(identifying(now), known, new Set()).contradiction === 'twin'
  );
}

/**
 * A machine whose parts are replaced one by one stays known: what it is now is on record, what it was is in its history.
 * Answers the event (for append()).
 */
export async function keepHardware(tx: Tx, id: string, before: Hardware, told: Hardware): Promise<NewEvent[]> {
  // What is not told, by an older agent or in a report of a part, has not changed.
  const news = Object.entries(identifying(told)).filter(([, value]) => value !== undefined && value.length > 0);
  const now: Hardware = { ...before, ...Object.fromEntries(news) };
  if (canonical(now) === canonical(before)) return [];
  await tx
    .updateTable('node')
    .set({ hardware: JSON.stringify(now) })
    .where('id', '=', id)
    .execute();
  await storeHints(tx, id, now);
  return hardwareEvent(id, before, now, `node/${id}`);
}

/** What tells of a node that its hardware on record is another: from these events hardwareAt() knows what it was. */
export function hardwareEvent(id: string, before: Hardware, now: Hardware, actor: string): NewEvent[] {
  if (canonical(now) === canonical(before)) return [];
  return [{ kind: 'node.hardware', subject: `node/${id}`, actor, data: { before, now } }];
}

/** The hardware that was on record for a node at a time (RFC 3339): what the next change after it says that was before. */
export async function hardwareAt(db: Reader, id: string, time: string): Promise<Hardware> {
  const { rows } = await sql<{ hardware: Hardware }>`
    select coalesce((select data -> 'before' from event where subject = ${`node/${id}`} and kind = 'node.hardware'
      and at > ${time}::timestamptz order by seq limit 1), hardware) as hardware from node where id = ${id}`.execute(
    db,
  );
  return rows[0]?.hardware ?? {};
}

/**
 * What a trusted node's report says of who it is: replaced parts are kept, as of a claim; other hardware altogether is an
 * alarm, and changes nothing. Answers the events (for append()).
 *
 * @param node what it is on record, and its sections before
 * @param changed sections that the report changed
 */
export async function judgeReported(
  tx: Tx,
  id: string,
  { hardware, observed }: { hardware: Hardware; observed: Record<string, unknown> },
  changed: Record<string, unknown>,
): Promise<NewEvent[]> {
  if (!TELLING.some((name) => changed[name] !== undefined)) return [];
  const told = reportedHardware({ ...observed, ...changed });
  if (!isOtherHardware(id, hardware, told)) return await keepHardware(tx, id, hardware, told);
  const reason =
    'it reports hardware that is not what it enrolled with: its disk was copied or moved, or the report is not true';
  return await alarmHourly(tx, id, 'alarm.hardware', reason);
}

function reportedHardware(sections: Record<string, unknown>): Hardware {
  const { system = {}, memory = {}, nics = {} } = sections as { system?: System; memory?: Memory; nics?: Nics };
  const told = {
    uuid: system.uuid,
    serial: system.serial,
    board_serial: system.board?.serial,
    chassis_serial: system.chassis?.serial,
    vendor: system.manufacturer,
    product: system.product,
    macs: Object.values(nics)
      .flatMap(({ mac }) => mac ?? [])
      .sort()
      .slice(0, MACS),
    dimms: Object.values(memory.dimms ?? {})
      .flatMap(({ serial, part }) =>
        serial === undefined ? [] : [(part === undefined ? serial : `${part} ${serial}`).slice(-LONGEST)],
      )
      .sort()
      .slice(0, DIMMS),
  };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined && value.length > 0));
}
