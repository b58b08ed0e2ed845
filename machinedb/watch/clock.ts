import { sql } from 'kysely';
import type { Logger } from 'pino';
import type { Tx } from '../db.ts';

/** PostgreSQL's time, and a time of ours that never jumps, before it was asked and after it answered. Milliseconds. */
export interface Reading {
  theirs: number;
  before: number;
  after: number;
}

/** So much more or less than the time that passed is no jump, milliseconds: clocks are set right by small steps. */
const SLACK_MS = 2000;

/** By how much PostgreSQL's clock jumped between two readings, milliseconds; 0: it went as ours did. */
export function jumpBetween(first: Reading, second: Reading): number {
  const theirs = second.theirs - first.theirs;
  // It was read at an unknown moment while it was asked.
  const [least, most] = [second.before - first.after, second.after - first.before];
  const jump = theirs - Math.min(Math.max(theirs, least), most);
  return Math.abs(jump) > SLACK_MS ? jump : 0;
}

/** Watches PostgreSQL's clock. */
export interface Clock {
  /** Whether it jumped since this daemon asked the last time; a jump is told in the log. */
  jumped(tx: Tx): Promise<boolean>;
}

/** @param monotonic milliseconds that never jump */
export function openClock(log: Pick<Logger, 'warn'>, monotonic: () => number): Clock {
  let last: Reading | undefined;
  return {
    async jumped(tx) {
      const before = monotonic();
      const { rows } = await sql<{ theirs: number }>`
        select extract(epoch from clock_timestamp())::float8 * 1000 as theirs`.execute(tx);
      const reading = { theirs: rows[0]!.theirs, before, after: monotonic() };
      const jump = last === undefined ? 0 : jumpBetween(last, reading);
      last = reading;
      if (jump === 0) return false;
      const seconds = Math.round(jump / 1000);
      log.warn(
        { jump_s: seconds },
        `PostgreSQL's clock jumped by ${seconds} s, or this machine stood still, or another server answers: nobody is called ` +
          'unreachable before two leases are over; what ends at a time (slots, rescues, join tokens, acknowledgements) ends by the new one' +
          (jump > 0
            ? ''
            : "; the feed's times stand still until that clock has passed the last of them (machinedb_feed_ahead_seconds)"),
      );
      return true;
    },
  };
}
