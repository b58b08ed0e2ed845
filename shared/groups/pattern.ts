import { z } from 'zod';
import { isMembers } from '../merge.ts';
import { findField, findPath } from './fields.ts';

const MOST_TERMS = 100;
const MOST_DEPTH = 8;

const scalar = z.union([z.string().max(1024), z.number(), z.boolean()]);
/** Comparisons of one value; all of them hold. Of a value that is absent none holds but `present: false`. */
const comparisons = z
  .strictObject({
    not: scalar,
    at_least: z.number(),
    at_most: z.number(),
    above: z.number(),
    below: z.number(),
    one_of: z.array(scalar).min(1).max(100),
    contains: z.string().min(1).max(200),
    present: z.boolean(),
  })
  .partial();
const compare = z.union([scalar, comparisons], {
  error: () =>
    `give a value, or an object of ${Object.keys(comparisons.shape).join(', ')}, each with a value of its kind`,
});
const path = z.string().min(1).max(200);
const where = z.record(path, compare).refine((fields) => Object.keys(fields).length > 0, 'name at least one field');

const leaves = {
  value: z.strictObject({ value: path, is: compare }),
  count: z.strictObject({ count: path, where: where.optional(), is: compare }),
  every: z.strictObject({ every: path, where: where.optional(), has: where }),
};

export type Compare = z.infer<typeof compare>;
export type Where = Record<string, Compare>;
export type Leaf = z.infer<(typeof leaves)[keyof typeof leaves]>;
/** Which nodes belong to a group. */
export type Pattern = { all: Pattern[] } | { any: Pattern[] } | { not: Pattern } | Leaf;

/** Something wrong in a pattern, and where in it. */
interface Wrong {
  at: (string | number)[];
  message: string;
}

/**
 * A pattern as it is sent: refused, with the place in it, when it is none, or names a section or field that machines do not
 * report. Its form is in docs/groups.md.
 */
export const pattern = z.record(z.string(), z.unknown()).superRefine((given, context) => {
  const terms = { left: MOST_TERMS };
  for (const { at, message } of wrongIn(given, [], terms).slice(0, 20))
    context.addIssue({ code: 'custom', message, path: at });
});

function wrongIn(given: unknown, at: (string | number)[], terms: { left: number }): Wrong[] {
  terms.left -= 1;
  if (terms.left === -1) return [{ at, message: `a pattern has at most ${MOST_TERMS} terms` }];
  if (terms.left < 0) return [];
  if (at.length > 2 * MOST_DEPTH) return [{ at, message: `a pattern is nested at most ${MOST_DEPTH} deep` }];
  const [word, inner] = combinationOf(given);
  if (word === undefined) return wrongInLeaf(given).map((wrong) => ({ ...wrong, at: [...at, ...wrong.at] }));
  if (word === 'not') return wrongIn(inner, [...at, word], terms);
  if (!Array.isArray(inner) || inner.length === 0)
    return [{ at: [...at, word], message: 'give a list of patterns, one at least' }];
  return inner.flatMap((each, i) => wrongIn(each, [...at, word, i], terms));
}

/** The one word of all, any and not that is the only member. */
function combinationOf(given: unknown): ['all' | 'any' | 'not', unknown] | [undefined] {
  const members = Object.entries(given ?? {});
  const [word, inner] = members[0] ?? [];
  if (members.length !== 1 || (word !== 'all' && word !== 'any' && word !== 'not')) return [undefined];
  return [word, inner];
}

function wrongInLeaf(given: unknown): Wrong[] {
  const word = (Object.keys(leaves) as (keyof typeof leaves)[]).find(
    (name) => isMembers(given) && Object.hasOwn(given, name),
  );
  if (word === undefined) return [{ at: [], message: 'a pattern is one of all, any, not, value, count and every' }];
  const parsed = leaves[word].safeParse(given);
  if (!parsed.success)
    return parsed.error.issues.map(({ path: at, message }) => ({ at: at as (string | number)[], message }));
  const leaf = parsed.data;
  const target = 'value' in leaf ? leaf.value : 'count' in leaf ? leaf.count : leaf.every;
  const found = findPath(target);
  if ('problem' in found) return [{ at: [word], message: found.problem }];
  if ('value' in leaf) return found.kind === 'value' ? [] : [{ at: [word], message: several(target) }];
  if (found.kind !== 'keyed') return [{ at: [word], message: `${target} is not a list of objects: say value` }];
  const asked = { where: leaf.where, has: 'has' in leaf ? leaf.has : undefined };
  return Object.entries(asked).flatMap(([name, fields]) =>
    Object.keys(fields ?? {}).flatMap((field) => {
      const inner = findField(found.type, field.split('.'), target);
      if ('problem' in inner) return [{ at: [name, field], message: inner.problem }];
      return inner.kind === 'value' ? [] : [{ at: [name, field], message: several(field) }];
    }),
  );
}

const several = (name: string) => `${name} holds more than one value: name a field in it, or count its objects`;
