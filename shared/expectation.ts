import { z } from 'zod';
import { canonical } from './canonical.ts';
import { escapePointer } from './explain.ts';
import { isMembers } from './merge.ts';
import { sections } from './sections/index.ts';
import { name } from './sections/name.ts';
import { recordOf } from './sections/record.ts';

/**
 * What is expected of facts: of profiles and of policies. By section: single facts, and parts that are counted. A fact is named
 * by its keys with dots between (`link.width`), or as a JSON pointer where a key has a dot in it (`/servers/ntp1.example.org`).
 */
const scalar = z.union([z.boolean(), z.number(), z.string().min(1).max(500)]);
const bound = z.union([z.number(), z.string().min(1).max(500)]);
const range = z.strictObject({
  at_least: bound.optional().describe('A number, a size ("32GiB"), or a version: runs of digits compare as numbers'),
  at_most: bound.optional(),
  one_of: z.array(scalar).min(1).max(100).optional(),
});
const test = z
  .union(
    [scalar, range.refine((value) => Object.keys(value).length > 0, 'expect a value, or at_least, at_most, one_of')],
    {
      error: 'expect a value, or at_least, at_most, one_of',
    },
  )
  .describe('A value, or at_least, at_most, one_of');
const tests = z.record(z.string().min(1).max(200), test);
const count = z
  .union(
    [
      z.int().min(0),
      z
        .strictObject({ at_least: z.int().min(0).optional(), at_most: z.int().min(0).optional() })
        .refine((value) => Object.keys(value).length > 0, 'expect a number, or at_least, at_most'),
    ],
    { error: 'expect a number, or at_least, at_most' },
  )
  .describe('How many, or at_least, at_most');
const group = z.strictObject({
  count,
  of: tests.optional().describe('Which parts are counted: fact → test; without it all'),
  each: tests.optional().describe('What each of them must meet besides: fact → test'),
});
const expectation = z.strictObject({
  facts: tests.optional().describe('Fact → test'),
  parts: recordOf(name, group).optional().describe('Label → how many of which parts'),
  others: z.literal(false).optional().describe('false: parts that no label counts are unexpected'),
});

export type Test = z.infer<typeof test>;
export type Expectation = z.infer<typeof expectation>;
export type Expectations = Record<string, Expectation>;

/** Sections whose members are parts, and where in them those are. */
const partsIn: Record<string, string | undefined> = {
  memory: 'dimms',
  gpus: '',
  nics: '',
  disks: '',
  pci: '',
  numa: '',
};

/** Section → what is expected of it. An unknown section, a fact that no agent reports, or a value of the wrong type is refused. */
export const expectations = z
  .record(z.string(), expectation)
  .refine((value) => Object.keys(value).length > 0, 'nothing is expected: name a section')
  .superRefine((value, issues) => {
    for (const [section, { facts = {}, parts = {}, others }] of Object.entries(value)) {
      const say = (path: string[], message: string) =>
        issues.addIssue({ code: 'custom', path: [section, ...path], message });
      const schema = observedSchema(section);
      if (schema === undefined) {
        say([], `no machine reports a section "${section}": there are ${observedNames().join(', ')}`);
        continue;
      }
      const check = (of: z.ZodType, list: Record<string, Test>, where: string[]) => {
        for (const [path, expected] of Object.entries(list)) {
          const fault = faultOf(of, path, expected);
          if (fault !== undefined) say([...where, path], fault);
        }
      };
      check(schema, facts, ['facts']);
      const at = partsIn[section];
      if (at === undefined && (Object.keys(parts).length > 0 || others === false))
        say(['parts'], `${section} has no parts: ${Object.keys(partsIn).join(', ')} have; expect facts`);
      if (at === undefined) continue;
      const part = at === '' ? schema : (step(schema, at) ?? schema);
      for (const [label, { of = {}, each = {} }] of Object.entries(parts)) {
        check(step(part, 'x') ?? part, of, ['parts', label, 'of']);
        check(step(part, 'x') ?? part, each, ['parts', label, 'each']);
      }
    }
  });

const observedSchema = (section: string): z.ZodType | undefined =>
  Object.hasOwn(sections, section)
    ? (sections as Record<string, { observed?: z.ZodType }>)[section]?.observed
    : undefined;
const observedNames = () => Object.keys(sections).filter((section) => observedSchema(section) !== undefined);

/** The schema of a member; undefined: it has none of this name. */
function step(schema: z.ZodType, key: string): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional) return step(schema.unwrap() as z.ZodType, key);
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  if (schema instanceof z.ZodObject)
    return Object.hasOwn(schema.shape, key) ? (schema.shape[key] as z.ZodType) : undefined;
  return undefined;
}

function keysOf(path: string): string[] {
  if (!path.startsWith('/')) return path.split('.');
  return path
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function faultOf(schema: z.ZodType, path: string, expected: Test): string | undefined {
  let at: z.ZodType | undefined = schema;
  for (const key of keysOf(path)) {
    at = step(at, key);
    if (at === undefined) return `no agent reports ${path}: look at a node with machinedb observed`;
  }
  const { type } = z.toJSONSchema(at, { io: 'output', unrepresentable: 'any' }) as { type?: string };
  if (type === 'object' || type === 'array') return `${path} is not one value: name one in it`;
  const list = isMembers(expected) ? [expected.at_least, expected.at_most, ...(expected.one_of ?? [])] : [expected];
  if (type === 'boolean' && isMembers(expected) && expected.one_of === undefined)
    return `${path} is true or false: it has no at_least and at_most`;
  for (const value of list) {
    if (value === undefined) continue;
    const right =
      type === 'integer' || type === 'number'
        ? typeof value !== 'boolean' && amount(value) !== undefined
        : type === undefined || typeof value === type;
    if (right) continue;
    const hint = type === 'string' ? `: write ${JSON.stringify(String(value))}, in quotes` : '';
    const kind = type === 'integer' || type === 'number' ? 'a number, or a size as "32GiB"' : `a ${type}`;
    return `${path} is ${kind}, and ${JSON.stringify(value)} is expected${hint}`;
  }
  return undefined;
}

const units: Record<string, number> = { k: 1, M: 2, G: 3, T: 4, P: 5 };

/** A number, or the bytes of a size: "32GiB", "1.92 TB". */
function amount(value: number | string): number | undefined {
  if (typeof value === 'number') return value;
  const [, number, unit, binary] = /^(\d+(?:\.\d+)?) ?([kKMGTP])(i?)B$/.exec(value) ?? [];
  if (number === undefined) return undefined;
  return Math.round(Number(number) * (binary === 'i' ? 1024 : 1000) ** units[unit === 'K' ? 'k' : unit!]!);
}

/** Order of two versions: runs of digits as numbers, all else as text. */
export function compareVersions(a: string, b: string): number {
  const runs = (text: string): string[] => text.match(/\d+|[^\d.]+/g) ?? [];
  const [x, y] = [runs(a), runs(b)];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [one = '', other = ''] = [x[i], y[i]];
    if (one === other) continue;
    const both = /^\d+$/.test(one) && /^\d+$/.test(other);
    if (!both) return one < other ? -1 : 1;
    const order = BigInt(one) - BigInt(other);
    if (order !== 0n) return order < 0n ? -1 : 1;
  }
  return 0;
}

function equals(expected: boolean | number | string, got: unknown): boolean {
  return typeof got === 'number' && typeof expected === 'string' ? amount(expected) === got : expected === got;
}

function compare(got: unknown, limit: number | string): number {
  if (typeof got === 'number') return got - (amount(limit) ?? Number.NaN);
  return compareVersions(String(got), String(limit));
}

/** Whether a fact that is there meets a test. */
export function meets(expected: Test, got: unknown): boolean {
  if (!isMembers(expected)) return equals(expected, got);
  const { at_least, at_most, one_of } = expected;
  return (
    (at_least === undefined || compare(got, at_least) >= 0) &&
    (at_most === undefined || compare(got, at_most) <= 0) &&
    (one_of === undefined || one_of.some((value) => equals(value, got)))
  );
}

export interface Fault {
  section: string;
  /** JSON pointer: section, label of the parts, the part's key, fact. */
  path: string;
  kind: 'missing' | 'mismatch' | 'unexpected' | 'unknown';
  expected?: unknown;
  got?: unknown;
  message: string;
}

/**
 * Where a machine is not as expected. A section that was not reported, or whose last reading failed, is unknown: it meets
 * nothing.
 *
 * @param failed section → why the agent could not read it
 */
export function judge(
  expected: Expectations,
  observed: Record<string, unknown>,
  failed: Record<string, string> = {},
): Fault[] {
  return Object.entries(expected).flatMap(([section, of]) => {
    const data = observed[section];
    const why = failed[section];
    if (isMembers(data) && why === undefined) return [...judgeSection(section, of, data)];
    const message = `${section} ${why === undefined ? 'has not been reported' : `could not be read (${why})`}, so nobody knows whether it is as expected`;
    return [{ section, path: `/${escapePointer(section)}`, kind: 'unknown' as const, expected: of, message }];
  });
}

function valueAt(data: unknown, path: string): unknown {
  return keysOf(path).reduce(
    (at: unknown, key) => (isMembers(at) && Object.hasOwn(at, key) ? at[key] : undefined),
    data,
  );
}

const pointer = (...keys: string[]) => keys.map((key) => `/${escapePointer(key)}`).join('');

function* judgeSection(section: string, expected: Expectation, data: Record<string, unknown>): Generator<Fault> {
  yield* judgeFacts(section, [section], expected.facts ?? {}, data);
  const at = partsIn[section];
  if (at === undefined || (expected.parts === undefined && expected.others === undefined)) return;
  const found = at === '' ? data : ((data[at] ?? {}) as Record<string, unknown>);
  const { truncated, ...parts } = found;
  const counted = new Set<string>();
  for (const [label, { count: wanted, of = {}, each = {} }] of Object.entries(expected.parts ?? {})) {
    const is = Object.keys(parts).filter((key) => fits(of, parts[key]) === true);
    const maybe = Object.keys(parts).filter((key) => fits(of, parts[key]) === undefined);
    for (const key of [...is, ...maybe]) counted.add(key);
    yield* judgeCount(
      section,
      label,
      wanted,
      is.length,
      truncated === undefined ? maybe.length : Number.POSITIVE_INFINITY,
    );
    for (const key of is) yield* judgeFacts(section, [section, label, key], each, parts[key]);
  }
  if (expected.others !== false) return;
  for (const key of Object.keys(parts).filter((part) => !counted.has(part))) {
    const message = `${section} ${key} is there: only ${Object.keys(expected.parts ?? {}).join(', ') || 'none'} expected`;
    yield { section, path: pointer(section, 'others', key), kind: 'unexpected', got: parts[key], message };
  }
}

function* judgeFacts(section: string, where: string[], list: Record<string, Test>, data: unknown): Generator<Fault> {
  for (const [fact, expected] of Object.entries(list)) {
    const got = valueAt(data, fact);
    if (got !== undefined && meets(expected, got)) continue;
    const what = [...where.filter((_, i) => i !== 1), fact].join(' ');
    const common = { section, path: pointer(...where, fact), expected };
    if (got === undefined)
      yield { ...common, kind: 'missing', message: `${what} is not there: expected ${show(expected)}` };
    else yield { ...common, kind: 'mismatch', got, message: `${what} is ${show(got)}: expected ${show(expected)}` };
  }
}

/** @param undecided parts that may be among those counted: they do not tell what decides it */
function* judgeCount(
  section: string,
  label: string,
  wanted: Test | z.infer<typeof count>,
  got: number,
  undecided: number,
): Generator<Fault> {
  if (meets(wanted, got) && (undecided === 0 || isOpen(wanted))) return;
  const tooMany = isMembers(wanted)
    ? typeof wanted.at_most === 'number' && got > wanted.at_most
    : typeof wanted === 'number' && got > wanted;
  const kind = tooMany ? 'unexpected' : undecided > 0 ? 'unknown' : 'missing';
  const doubt = Number.isFinite(undecided) ? `${undecided} more may be` : 'the report was cut short';
  const message = `${got} ${label} among ${section}${kind === 'unknown' ? ` (${doubt})` : ''}: expected ${show(wanted)}`;
  yield { section, path: pointer(section, label), kind, expected: wanted, got, message };
}

/** Whether more of them would do no harm. */
const isOpen = (wanted: unknown) => isMembers(wanted) && wanted.at_most === undefined;

/** Whether a part is one of those meant; undefined: it does not tell. */
export function fits(of: Record<string, Test>, part: unknown): boolean | undefined {
  const values = Object.entries(of).map(([fact, expected]) => [expected, valueAt(part, fact)] as const);
  if (values.some(([expected, got]) => got !== undefined && !meets(expected, got))) return false;
  return values.every(([, got]) => got !== undefined) ? true : undefined;
}

function show(value: unknown): string {
  return canonical(value).replaceAll(/^"|"$/g, '').slice(0, 200);
}
