import { z } from 'zod';
import { name } from '../sections/name.ts';
import { nodeParam } from './nodes.ts';
import { asOf, reason, row, time } from './row.ts';

const side = z.enum(['observed', 'intended', 'derived']);

/** Who or what made a value so. */
const said = z.object({
  at: time,
  actor: z.string(),
  reason: z.string().optional(),
  cursor: z.string().describe('Its place in the feed'),
});
const blamed = said.extend({
  side: z.enum(['intended', 'observed', 'wanted']),
  path: z.string().describe('JSON pointer from the section on'),
  value: z.unknown().optional().describe('Absent: it is not there, or was taken away'),
  before: z.unknown().optional().describe('What it was until then'),
  layer: z.string().optional().describe('Intended: the subject whose intent says it'),
  wins: z.boolean().optional().describe('Intended: no narrower layer says otherwise'),
  inherited: said.optional().describe('Intended in a wider layer: what brought the node there'),
  source: z.string().optional().describe('Observed: who saw it'),
  boot: z.string().optional().describe('Observed: the boot that it was reported in'),
  older: z.boolean().optional().describe('It may have been so for longer: the past before was dropped'),
});
export type Blamed = z.infer<typeof blamed>;

const retention = z.object({
  side,
  section: name,
  keep_days: z.number(),
  whole_from: time.optional().describe('The past before was dropped'),
});

export const historyRows = {
  blameNode: row({
    method: 'GET',
    path: '/v1/nodes/{node}/blame',
    summary: 'Who or what made a value of a node as it is, when, and why',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({
      path: z
        .string()
        .min(2)
        .max(1000)
        .regex(/^\/[^/]/, 'expected a JSON pointer such as /network/interfaces/eth0/mtu')
        .describe('JSON pointer from the section on'),
      as_of: asOf,
    }),
    reply: z.object({ items: z.array(blamed) }),
  }),
  listRetention: row({
    method: 'GET',
    path: '/v1/retention',
    summary: 'How long the past of sections is kept',
    scope: 'read',
    reply: z.object({ items: z.array(retention) }),
  }),
  putRetention: row({
    method: 'PUT',
    path: '/v1/retention/{section}',
    summary: 'Keep the past of a section for some days only; without it it is kept for ever',
    scope: 'admin',
    params: z.strictObject({ section: name.describe('`default`: every observed section without one of its own') }),
    body: z.strictObject({
      keep_days: z.number().min(1).max(36_500).describe('Days that a version is kept after it was replaced'),
      side: side.optional().describe('observed when absent'),
      reason,
    }),
    reply: retention,
  }),
  deleteRetention: row({
    method: 'DELETE',
    path: '/v1/retention/{section}',
    summary: 'Keep the past of a section for ever again',
    scope: 'admin',
    params: z.strictObject({ section: name }),
    query: z.strictObject({ side: side.optional() }),
    reply: z.object({ deleted: z.boolean() }),
  }),
};
