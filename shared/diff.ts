import { canonical } from './canonical.ts';
import { escapePointer } from './explain.ts';
import { isMembers } from './merge.ts';

export interface Difference {
  /** JSON pointer within the section. */
  path: string;
  kind: 'missing' | 'mismatch' | 'unknown';
  expected: unknown;
  got?: unknown;
}

/** Key of what is applied, and shows in no file of the machine. */
const UNOBSERVED = 'unobserved';

/**
 * Where a machine differs from what is wanted of it. Only what is wanted is looked at: more is not wrong; members named
 * "unobserved" are not, as nothing reports them. A section that was not observed is unknown, never equal.
 */
export function differences(wanted: unknown, observed: unknown): Difference[] {
  if (observed === undefined) return [{ path: '', kind: 'unknown', expected: wanted }];
  return [...compare(wanted, observed, '')];
}

function* compare(wanted: unknown, observed: unknown, path: string): Generator<Difference> {
  if (observed === undefined) {
    yield { path, kind: 'missing', expected: wanted };
  } else if (isMembers(wanted) && isMembers(observed)) {
    for (const [key, member] of Object.entries(wanted))
      if (key !== UNOBSERVED) yield* compare(member, observed[key], `${path}/${escapePointer(key)}`);
  } else if (canonical(wanted) !== canonical(observed)) {
    yield { path, kind: 'mismatch', expected: wanted, got: observed };
  }
}

export interface Change {
  path: string;
  from?: unknown;
  to?: unknown;
}

/** What changed from one value to another: for plans and history. Whole parts that come or go are one change. */
export function changes(from: unknown, to: unknown): Change[] {
  return [...walk(from, to, '')];
}

function* walk(from: unknown, to: unknown, path: string): Generator<Change> {
  if (from === undefined && to === undefined) return;
  if (isMembers(from) && isMembers(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
    for (const key of keys) yield* walk(from[key], to[key], `${path}/${escapePointer(key)}`);
  } else if (canonical(from ?? null) !== canonical(to ?? null)) {
    yield { path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  }
}

/** Whether a difference is a loss of redundancy: told as a finding, and neither mended nor undone by applying. */
export function isDegradation(section: string, path: string): boolean {
  return section === 'network' && /\/bond\/members_up$/.test(path);
}
