import type { z } from 'zod';
import { sections } from '../../shared/sections/index.ts';

const MAX_BYTES = 2_000_000;
const MAX_MEMBERS = 4096;
const MAX_TEXT = 4096;
const MAX_ERRORS = 100;
/** Sections at most that a node may have: ours, and those of newer agents. */
export const MAX_SECTIONS = 50;

/** Sections that only people write: a machine that reports one is pretending. */
export const intendedOnly = new Set(
  Object.entries(sections)
    .filter(([, schema]) => !('observed' in schema))
    .map(([name]) => name)
    .concat('state', 'wanted', 'power'),
);

export interface Judged {
  /** Section → what is stored; null: the section is no longer there. */
  accepted: Record<string, unknown>;
  /** Section → why it is not stored. */
  rejected: Record<string, string>;
}

/**
 * Judges a report section by section: one that is wrong harms no other, unknown fields and sections of newer agents are
 * kept, and what is too long is cut and marked.
 */
export function judge(reported: Record<string, unknown>): Judged {
  const judged: Judged = { accepted: {}, rejected: {} };
  for (const [i, [name, reportedData]] of Object.entries(reported).entries()) {
    const data = limit(reportedData);
    const fault = i < MAX_SECTIONS ? faultOf(name, data) : `a report has at most ${MAX_SECTIONS} sections`;
    if (fault === undefined) judged.accepted[name] = data;
    else judged.rejected[clean(name)] = fault;
  }
  return judged;
}

function faultOf(name: string, data: unknown): string | undefined {
  if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) return 'this is not the name of a section';
  if (intendedOnly.has(name)) return 'only people write this section';
  if (data === null) return undefined;
  if (typeof data !== 'object' || Array.isArray(data)) return 'a section is an object';
  if (JSON.stringify(data).length > MAX_BYTES) return `the section is larger than ${MAX_BYTES} bytes`;
  const schema = (sections as Record<string, { observed?: z.ZodType }>)[name]?.observed;
  const issue = schema?.safeParse(data).error?.issues[0];
  return issue === undefined ? undefined : `/${issue.path.map(String).join('/')}: ${issue.message}`;
}

/** PostgreSQL's text takes neither NUL nor half a surrogate pair: they are shown as the replacement character. */
function clean(text: string): string {
  const whole = text.toWellFormed().replaceAll('\u0000', '\ufffd');
  return whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT).toWellFormed()}...` : whole;
}

/** 80: a machine with 10,000 of something keeps the first ones, and says how many were dropped. */
function limit(value: unknown): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.slice(0, MAX_MEMBERS).map(limit);
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value);
  const kept = Object.fromEntries(members.slice(0, MAX_MEMBERS).map(([key, member]) => [clean(key), limit(member)]));
  return members.length > MAX_MEMBERS ? { ...kept, truncated: { dropped: members.length - MAX_MEMBERS } } : kept;
}

/** The errors a report may carry: so many, so long. */
export function limitErrors(errors: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(errors)
      .slice(0, MAX_ERRORS)
      .map(([name, why]) => [clean(name), clean(why)]),
  );
}
