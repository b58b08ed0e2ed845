import { isMeant, type Policy, violations } from '../../shared/policy.ts';
import type { Context, Handlers } from '../context.ts';
import { policyNodes, policyNodesAt, sectionsUsed } from '../drift/policy-nodes.ts';
import { keyForms, makeCursor, readCursor } from '../http/page.ts';
import { Problem } from '../http/problem.ts';

const NODES = 1000;
/** Violations at most that are told of one node and one assertion. */
const TOLD = 50;

export const checkRoutes = {
  checkPolicy: async ({ db }: Context, { input: { body } }) => {
    const { policy, as_of, cursor, limit = NODES } = body;
    if (as_of !== undefined) refuseUnkept(policy);
    const after = readCursor(cursor, keyForms.id);
    const sections = sectionsUsed(policy);
    const read =
      as_of === undefined
        ? await policyNodes(db, sections, { after, limit }).then((subjects) => ({
            subjects,
            last: subjects.at(-1)?.id,
            read: subjects.length,
          }))
        : await policyNodesAt(db, sections, as_of, { after, limit });
    const nodes: Record<string, number> = {};
    const found = Object.entries(policy).flatMap(([name, assertion]) => {
      const meant = read.subjects.filter((subject) => isMeant(assertion, subject));
      nodes[name] = meant.length;
      return meant.flatMap((subject) => violations(name, assertion, subject).slice(0, TOLD));
    });
    return {
      nodes,
      violations: found,
      ...(read.read === limit && read.last !== undefined ? { next: makeCursor(read.last) } : {}),
    };
  },
} satisfies Partial<Handlers>;

/** What is kept in no history cannot be held against the past: it would pass, or fail, for nothing. */
function refuseUnkept(policy: Policy): void {
  for (const [name, { expect }] of Object.entries(policy)) {
    const refuse = (what: string, why: string, out: string) => {
      const detail = `${name}: ${what} cannot be checked as of a time: ${why}; ${out}`;
      throw new Problem('invalid', detail, { errors: [{ detail, pointer: `/policy/${name}/expect/${what}` }] });
    };
    if (expect.max_age !== undefined) refuse('max_age', 'heartbeats are kept in no history', 'leave it out');
    if (expect.findings?.severity !== undefined)
      refuse('findings', 'their severity is kept in no history', 'leave severity out');
  }
}
