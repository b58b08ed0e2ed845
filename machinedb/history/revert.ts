import { sql } from 'kysely';
import type { IntentSection } from '../../shared/api/intent.ts';
import type { Plan } from '../../shared/api/row.ts';
import { canonical } from '../../shared/canonical.ts';
import type { Reader, Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { type IntentChange, type WriteOptions, writeIntents } from '../intent/intent.ts';
import { readIntents } from '../intent/layers.ts';
import type { Keys } from '../trust/keys.ts';

export interface Revert {
  subject: string;
  section: IntentSection;
  /** A time (RFC 3339), or an etag or cursor of a version: one of both. */
  to: string | undefined;
  revision: string | undefined;
  precondition: IntentChange['precondition'];
  options: WriteOptions;
}

/**
 * Writes, as a new version, what a section of an intent was. Today's rules hold for it: throws when it is no longer valid,
 * when it is that already, and as every write does when it changed since it was looked at.
 */
export async function revertIntent(tx: Tx, keys: Keys, revert: Revert): Promise<Plan> {
  const { subject, section, precondition, options } = revert;
  const { data, which } = await oldVersion(tx, revert);
  const thing = `${section} of ${subject}`;
  const open = (await readIntents(tx, [subject])).find((intent) => intent.section === section);
  if (canonical(open?.data ?? null) === canonical(data))
    throw new Problem('conflict', `${thing} is ${which} already: there is nothing to go back to`);
  try {
    return await writeIntents(tx, keys, [{ subject, section, data, precondition }], options);
  } catch (error) {
    if (!(error instanceof Problem) || error.code === 'stale' || error.code === 'precondition_required') throw error;
    throw new Problem(error.code, `${thing} cannot become ${which} again: ${error.message}`, { errors: error.errors });
  }
}

async function oldVersion(
  db: Reader,
  { subject, section, to, revision }: Revert,
): Promise<{ data: unknown; which: string }> {
  if ((to === undefined) === (revision === undefined))
    throw new Problem('invalid', 'say to (a time) or revision (the etag or cursor of a version), one of both');
  if (to !== undefined) {
    const then = (await readIntents(db, [subject], to)).find((intent) => intent.section === section);
    return { data: then?.data ?? null, which: `what it was at ${to}` };
  }
  const seq = /^"?(?:[0-9a-f]{8}\.)?(\d{1,15})~?"?$/.exec(revision!)?.[1];
  const { rows } = await sql<{ data: unknown }>`
    select data from revision where seq = ${seq ?? -1} and subject = ${subject} and section = ${section} and side = 'intended'`.execute(
    db,
  );
  if (rows[0] === undefined)
    throw new Problem('not_found', `${revision} is no version of ${section} of ${subject}: its history shows them`);
  return { data: rows[0].data, which: `version ${seq}` };
}
