import { z } from 'zod';
import { node, nodeParam } from './nodes.ts';
import { page, pageQuery, reason, row, time, writeQuery } from './row.ts';

const candidate = z.object({
  node: z.string(),
  name: z.string(),
  score: z.int().describe('Points that speak for it: 100 are the same machine'),
  against: z.int().describe('Points of what differs'),
  contradiction: z
    .enum(['twin', 'copied disk', 'other cards', 'moved parts'])
    .optional()
    .describe('Why the score does not make it the same machine'),
  evidence: z.array(
    z.object({
      kind: z.enum(['uuid', 'serial', 'board', 'chassis', 'dimms', 'macs', 'disk']),
      points: z.int(),
      of: z.int().describe('Points that there could be'),
      why: z.string(),
    }),
  ),
});

const quarantined = z.object({
  id: z.int(),
  node: z.string().describe('The node that the doubt is about'),
  name: z.string(),
  kind: z.enum(['claim', 'part']).describe('claim: who is this machine; part: several nodes report one part'),
  part: z.string().optional().describe('Kind, serial and model of the part'),
  why: z.string(),
  candidates: z.array(candidate).describe('Nodes that it may be, or that report the part, the best first'),
  opened_at: time,
  closed: z
    .object({
      at: time,
      decision: z.enum(['merged', 'split', 'resolved']).describe('resolved: the doubt went away by itself'),
      by: z.string(),
      reason: z.string(),
    })
    .optional(),
});
export type Quarantined = z.infer<typeof quarantined>;

const dry = writeQuery.pick({ dry_run: true });

export const identityRows = {
  listQuarantine: row({
    method: 'GET',
    path: '/v1/quarantine',
    summary: 'List doubts about who a machine is, for a person to merge or split',
    scope: 'read',
    query: z.strictObject({
      closed: z.stringbool().optional().describe('Those that were decided, too'),
      ...pageQuery,
    }),
    reply: page(quarantined),
  }),
  getQuarantine: row({
    method: 'GET',
    path: '/v1/quarantine/{node}',
    summary: "A node's doubts: which nodes it may be, with the score of each part and why",
    scope: 'read',
    params: nodeParam,
    reply: z.object({ items: z.array(quarantined) }),
  }),
  mergeNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/merge',
    summary: 'Say that a node is another one: its key waits for approval there, its history stays where it is',
    scope: 'approve',
    params: nodeParam,
    query: dry,
    body: z.strictObject({ into: nodeParam.shape.node.describe('The node that stays: id or intended FQDN'), reason }),
    reply: z.object({ node, into: node }),
  }),
  splitNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/split',
    summary: 'Say that a node is a machine of its own: end its doubts, or undo its merge',
    scope: 'approve',
    params: nodeParam,
    query: dry,
    body: z.strictObject({ reason }),
    reply: z.object({ node, apart: z.array(z.string()).describe('Nodes that it is told apart from') }),
  }),
};
