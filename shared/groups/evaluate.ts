import { isMembers } from '../merge.ts';
import type { Compare, Pattern, Where } from './pattern.ts';

/** What is known of a node: reported sections, and `node` with its place, role, mode, model and tags. */
export type Facts = Record<string, unknown>;

/** Whether a node belongs to a group. What nobody knows is no reason to belong to it, nor is its opposite. */
export function belongs(pattern: Pattern, facts: Facts): boolean {
  return judge(pattern, facts) === true;
}

/** Undefined: it depends on a section that the node has not reported. */
function judge(pattern: Pattern, facts: Facts): boolean | undefined {
  if ('all' in pattern) return every(pattern.all.map((each) => judge(each, facts)));
  if ('any' in pattern) return opposite(every(pattern.any.map((each) => opposite(judge(each, facts)))));
  if ('not' in pattern) return opposite(judge(pattern.not, facts));
  if (sectionsOf(pattern).some((section) => facts[section] === undefined)) return undefined;
  if ('value' in pattern) return holds(valueAt(facts, pattern.value), pattern.is);
  if ('count' in pattern)
    return holds(objectsAt(facts, pattern.count).filter((each) => fits(each, pattern.where)).length, pattern.is);
  const objects = objectsAt(facts, pattern.every).filter((each) => fits(each, pattern.where));
  return objects.length > 0 && objects.every((each) => fits(each, pattern.has));
}

function every(judgements: (boolean | undefined)[]): boolean | undefined {
  if (judgements.includes(false)) return false;
  return judgements.includes(undefined) ? undefined : true;
}

function opposite(judgement: boolean | undefined): boolean | undefined {
  return judgement === undefined ? undefined : !judgement;
}

/** The sections that a pattern reads. */
export function sectionsOf(pattern: Pattern): string[] {
  if ('all' in pattern) return [...new Set(pattern.all.flatMap(sectionsOf))];
  if ('any' in pattern) return [...new Set(pattern.any.flatMap(sectionsOf))];
  if ('not' in pattern) return sectionsOf(pattern.not);
  const path = 'value' in pattern ? pattern.value : 'count' in pattern ? pattern.count : pattern.every;
  return [path.split('.')[0]!];
}

function valueAt(from: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (isMembers(at) && Object.hasOwn(at, name) ? at[name] : undefined), from);
}

function objectsAt(facts: Facts, path: string): unknown[] {
  const found = valueAt(facts, path);
  if (!isMembers(found)) return [];
  // What was cut off a report is told beside its objects, under this name.
  return Object.entries(found).flatMap(([key, object]) => (key === 'truncated' ? [] : [object]));
}

function fits(object: unknown, where: Where = {}): boolean {
  return Object.entries(where).every(([path, compare]) => holds(valueAt(object, path), compare));
}

function holds(value: unknown, compare: Compare): boolean {
  if (typeof compare !== 'object') return value === compare;
  if (value === undefined || value === null) return compare.present === false && Object.keys(compare).length === 1;
  return Object.entries(compare).every(([word, than]) => tests[word as keyof typeof tests](value, than as never));
}

const tests = {
  not: (value: unknown, than: unknown) => value !== than,
  at_least: (value: unknown, than: number) => typeof value === 'number' && value >= than,
  at_most: (value: unknown, than: number) => typeof value === 'number' && value <= than,
  above: (value: unknown, than: number) => typeof value === 'number' && value > than,
  below: (value: unknown, than: number) => typeof value === 'number' && value < than,
  one_of: (value: unknown, than: unknown[]) => than.includes(value),
  contains: (value: unknown, than: string) => String(value).toLowerCase().includes(than.toLowerCase()),
  present: (_: unknown, than: boolean) => than,
};
