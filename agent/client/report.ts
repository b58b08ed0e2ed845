import type { Report } from '../../shared/api/agent.ts';
import { factsHash, hashOf } from '../../shared/hash.ts';
import type { Facts } from '../facts.ts';
import { version } from '../version.ts';

/** Section → hash of its data. */
export type Hashes = Record<string, string>;

export function hashesOf({ sections }: Pick<Facts, 'sections'>): Hashes {
  return Object.fromEntries(Object.entries(sections).map(([name, data]) => [name, hashOf(data)]));
}

/** The one hash of a heartbeat. Sections that the server would not take do not count, or it would ask for ever. */
export function factsOf(hashes: Hashes, rejected: ReadonlySet<string>): string {
  return factsHash(Object.fromEntries(Object.entries(hashes).filter(([name]) => !rejected.has(name))));
}

/**
 * A report of what differs from what the server has: changed sections whole, sections that are no longer there as null. A
 * section that failed is not gone: it is in `errors`, and what the server has of it stays.
 */
export function makeReport(facts: Facts, stored: Hashes, bootId: string, seq: number): Report {
  const hashes = hashesOf(facts);
  const changed = Object.entries(facts.sections).filter(([name]) => stored[name] !== hashes[name]);
  const gone = Object.keys(stored).filter((name) => hashes[name] === undefined && !(name in facts.errors));
  return {
    boot_id: bootId,
    seq,
    version,
    sections: { ...Object.fromEntries(changed), ...Object.fromEntries(gone.map((name) => [name, null])) },
    errors: facts.errors as Record<string, string>,
  };
}
