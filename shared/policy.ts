import { z } from 'zod';
import { finding, node } from './api/nodes.ts';
import { expectations, judge, meets } from './expectation.ts';
import { name } from './sections/name.ts';
import { recordOf } from './sections/record.ts';

/** The mildest first. */
const severities = finding.shape.severity.options;

/** Which nodes an assertion is about: those that fit all that is said; without a state all but discovered and retired ones. */
const select = z.strictObject({
  role: name.optional(),
  site: name.optional(),
  rack: name.optional(),
  model: z.string().min(1).max(500).optional(),
  tag: name.optional(),
  state: node.shape.state.optional(),
});
const count = z
  .strictObject({ at_least: z.int().min(0).optional(), at_most: z.int().min(0).optional() })
  .describe('How many nodes it is about: at least one, when absent');
const assertion = z.strictObject({
  select: select.optional().describe('Without it: all nodes'),
  nodes: count.optional(),
  expect: z
    .strictObject({
      health: z.enum(['ok', 'drifted']).optional().describe('ok; drifted: findings do no harm'),
      findings: z
        .strictObject({
          at_most: z.int().min(0),
          severity: finding.shape.severity.optional().describe('Of this severity, or a higher one'),
        })
        .optional()
        .describe('Open findings that nobody acknowledged'),
      max_age: z
        .string()
        .regex(/^[1-9]\d{0,5}[smhd]$/, 'write a time as 90s, 10m, 24h or 7d')
        .optional()
        .describe('How long ago it was heard of, at most'),
      facts: expectations.optional(),
    })
    .refine((value) => Object.keys(value).length > 0, 'nothing is expected: name health, findings, max_age or facts'),
});

/** Assertions by name. */
export const policy = recordOf(name, assertion).refine(
  (value) => Object.keys(value).length > 0,
  'there is no assertion: name one',
);
export const policyFile = z.strictObject({ policy });
export type Policy = z.infer<typeof policy>;
type Assertion = Policy[string];

/** A node as an assertion sees it. */
export interface Subject {
  id: string;
  name: string;
  state: string;
  health: string;
  site?: string | undefined;
  rack?: string | undefined;
  role?: string | undefined;
  model?: string | undefined;
  tags: string[];
  observed: Record<string, unknown>;
  /** Section → why it could not be read. */
  errors: Record<string, string>;
  /** Why its facts may not be those of now; undefined: they are. */
  stale?: string | undefined;
  /** Seconds since it was heard of. */
  age?: number | undefined;
  /** Open findings by severity. */
  findings: Partial<Record<string, number>>;
}

export const violation = z.object({
  policy: z.string().describe('The assertion'),
  node: z.string().optional().describe('Absent: it is about how many nodes there are'),
  name: z.string().optional(),
  what: z.string(),
  expected: z.unknown().optional(),
  got: z.unknown().optional(),
  message: z.string(),
});
export type Violation = z.infer<typeof violation>;

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Whether an assertion is about a node. */
export function isMeant({ select: by = {} }: Assertion, node: Subject): boolean {
  const { state, tag, ...rest } = by;
  if (state === undefined ? ['discovered', 'retired'].includes(node.state) : node.state !== state) return false;
  if (tag !== undefined && !node.tags.includes(tag)) return false;
  return Object.entries(rest).every(([key, value]) => value === undefined || node[key as keyof typeof rest] === value);
}

/** Where a node does not hold an assertion. One whose facts are stale, or lack, holds none. */
export function violations(of: string, { expect: expected }: Assertion, node: Subject): Violation[] {
  const about = { policy: of, node: node.id, name: node.name };
  const found: Violation[] = [];
  const add = (what: string, wanted: unknown, got: unknown, message: string) =>
    found.push({ ...about, what, expected: wanted, got, message });
  if (node.stale !== undefined) add('facts', 'fresh', 'stale', node.stale);
  const { health, findings, max_age, facts } = expected;
  if (health !== undefined && node.health !== health && node.health !== 'ok')
    add('health', health, node.health, `health is ${node.health}: expected ${health}`);
  if (findings !== undefined) {
    const counted = severities.slice(severities.indexOf(findings.severity ?? 'info'));
    const open = counted.reduce((sum, severity) => sum + (node.findings[severity] ?? 0), 0);
    if (open > findings.at_most)
      add('findings', findings, open, `${open} findings: expected at most ${findings.at_most}`);
  }
  if (max_age !== undefined) {
    const seconds = Number(max_age.slice(0, -1)) * units[max_age.at(-1)!]!;
    if (node.age === undefined || node.age > seconds)
      add(
        'max_age',
        max_age,
        node.age,
        node.age === undefined
          ? 'it was never heard of'
          : `it was heard of ${Math.round(node.age)} s ago: expected at most ${max_age}`,
      );
  }
  for (const fault of judge(facts ?? {}, node.observed, node.errors))
    found.push({ ...about, what: fault.path, expected: fault.expected, got: fault.got, message: fault.message });
  return found;
}

/** Which assertions are about too few or too many nodes: one that selects none would hold for ever, and say nothing. */
export function countViolations(policies: Policy, nodes: Record<string, number>): Violation[] {
  return Object.entries(policies).flatMap(([of, { nodes: wanted = { at_least: 1 } }]) => {
    const got = nodes[of] ?? 0;
    if (meets(wanted, got)) return [];
    const bounds = [
      wanted.at_least === undefined ? undefined : `at least ${wanted.at_least}`,
      wanted.at_most === undefined ? undefined : `at most ${wanted.at_most}`,
    ].filter((bound) => bound !== undefined);
    const message = `${got} nodes are selected: expected ${bounds.join(', ')}`;
    return [{ policy: of, what: 'nodes', expected: wanted, got, message }];
  });
}
