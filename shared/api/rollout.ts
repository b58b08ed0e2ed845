import { z } from 'zod';
import { name } from '../sections/name.ts';
import { page, pageQuery, reason, row, time, writeQuery } from './row.ts';

const role = z.union([name, z.literal('-')]).describe('Role; "-": nodes without a role');
const params = z.strictObject({ role });
const count = z.int().min(1).max(10_000);

export const rollout = z.object({
  role,
  state: z
    .enum(['idle', 'running', 'done', 'stopped', 'held'])
    .describe('idle: there was no change yet; stopped: after roll-backs; held: the fleet is on hold'),
  slots: count.describe('Nodes that apply at the same time, at most'),
  stop_after: count.describe('Roll-backs that stop it'),
  change: z.object({ what: z.string(), by: z.string(), at: time, reason: z.string().optional() }).optional(),
  waiting: z.int().describe('Nodes whose turn is yet to come'),
  held: z.int().describe('Those of them that are on hold'),
  applying: z.array(
    z.object({
      node: z.string(),
      name: z.string(),
      generation: z.int(),
      since: time,
      until: time.describe('Time limit'),
    }),
  ),
  staged: z.int().describe('Nodes that apply it at their next boot'),
  applied: z.int(),
  undone: z
    .array(
      z.object({
        ...{ node: z.string(), name: z.string(), generation: z.int() },
        ...{ outcome: z.enum(['undone', 'failed']), at: time, reason: z.string() },
      }),
    )
    .describe('The first 100'),
  stopped: z.object({ at: time, reason: z.string() }).optional(),
  next: z.string().optional().describe('What lets it go on'),
});
export type Rollout = z.infer<typeof rollout>;

export const rolloutRows = {
  listRollouts: row({
    method: 'GET',
    path: '/v1/rollouts',
    summary: 'Where the newest change of each role stands',
    scope: 'read',
    query: z.strictObject({ role: role.optional(), ...pageQuery }),
    reply: page(rollout),
  }),
  putRollout: row({
    method: 'PUT',
    path: '/v1/rollouts/{role}',
    summary: 'Set how many nodes of a role apply a change at the same time, and how many roll-backs stop it',
    scope: 'write',
    params,
    query: writeQuery.pick({ dry_run: true }),
    body: z.strictObject({
      slots: count.optional().describe('Nodes at the same time (5 at first)'),
      stop_after: count.optional().describe('Roll-backs that stop it (3 at first)'),
    }),
    reply: rollout,
  }),
  resumeRollout: row({
    method: 'POST',
    path: '/v1/rollouts/{role}/resume',
    summary: 'Let a stopped roll-out go on, with the nodes that still wait',
    scope: 'write',
    params,
    body: z.strictObject({ reason }),
    reply: rollout,
  }),
  askSelfSlot: row({
    method: 'POST',
    path: '/v1/self/slot',
    summary: 'Ask whether this node may apply a generation of its wanted state now',
    scope: 'node:approved',
    body: z.strictObject({ generation: z.int().min(0) }),
    reply: z.object({ go: z.boolean(), reason: z.string().optional().describe('Why it has to wait') }),
  }),
};
