import { z } from 'zod';
import { expectations } from '../expectation.ts';
import { policy, violation } from '../policy.ts';
import { name } from '../sections/name.ts';
import { nodeParam } from './nodes.ts';
import { outages } from './outage.ts';
import { asOf, page, pageQuery, row, time, writeQuery } from './row.ts';

const model = z.string().min(1).max(500).describe('Manufacturer and product, as machinedb nodes shows them');
const dry = writeQuery.pick({ dry_run: true });
/** What a profile is about, and what is expected. */
export const profileBody = z
  .strictObject({
    model: model.optional(),
    role: name.optional(),
    description: z.string().max(500).optional(),
    expect: expectations.describe('Section → facts, and parts that are counted'),
  })
  .refine((value) => value.model !== undefined || value.role !== undefined, {
    error: 'a profile is about a model, a role, or both: name one',
    path: ['model'],
  });
export const profile = z.object({
  name,
  model: model.optional(),
  role: name.optional(),
  description: z.string().optional(),
  expect: expectations,
  changed_by: z.string(),
  changed_at: time,
});
export type Profile = z.infer<typeof profile>;

export const verdict = z.enum(['meets', 'differs', 'unknown']);
const compliance = z
  .object({ nodes: z.int(), meets: z.int(), differs: z.int(), unknown: z.int() })
  .describe('Nodes that it is about; unknown: facts that are lacking, or of a node that is silent');
const profileParam = z.strictObject({ profile: name });

const sibling = z.object({
  by: z.enum(['model', 'role']),
  name: z.string().describe('The model or role'),
  path: z.string().describe('The fact'),
  majority: z.string().optional().describe('What most have; absent: most have no such fact'),
  majority_count: z.int(),
  of: z.int().describe('Machines of the model or role'),
  value: z.string().optional().describe('What these have instead'),
  count: z.int(),
  nodes: z.array(z.string()).describe('Ids of the first 20 of these'),
  names: z.array(z.string()).describe('Their names'),
});
export type Sibling = z.infer<typeof sibling>;

const kind = z.enum(['missing', 'mismatch', 'unexpected', 'unknown']);
const findingCount = z.object({
  section: z.string(),
  kind,
  severity: z.enum(['info', 'warning', 'error']),
  open: z.int(),
  alarmed: z.int().describe('Older than the grace of their kind, and not acknowledged'),
  nodes: z.int().describe('Nodes that have one'),
});
const acknowledgement = z.object({
  id: z.int(),
  node: z.string(),
  name: z.string(),
  section: z.string(),
  path: z.string(),
  kind,
  message: z.string().describe('Of the finding, as it was'),
  by: z.string(),
  reason: z.string(),
  at: time,
  until: time.optional(),
  ended_at: time.optional().describe('Absent: it holds'),
  ended: z.enum(['expired', 'changed', 'mended', 'replaced']).optional(),
});
export type Acknowledgement = z.infer<typeof acknowledgement>;
const seconds = z
  .int()
  .min(0)
  .max(30 * 86_400)
  .optional();
const grace = z
  .strictObject({ missing: seconds, mismatch: seconds, unexpected: seconds, unknown: seconds })
  .describe('Kind of finding → seconds that it may be there before it is alarmed; 0 when never set');

export const driftRows = {
  listAcknowledgements: row({
    method: 'GET',
    path: '/v1/acknowledgements',
    summary: 'Who accepted which findings, and how that ended, newest first',
    scope: 'read',
    query: z.strictObject({
      node: z.string().min(1).max(253).optional(),
      open: z.stringbool().optional().describe('Only those that hold, or only those that ended'),
      ...pageQuery,
    }),
    reply: page(acknowledgement),
  }),
  summarizeFindings: row({
    method: 'GET',
    path: '/v1/findings/summary',
    summary: 'How many findings are open, by section, kind and severity',
    scope: 'read',
    query: z.strictObject({ site: name.optional(), role: name.optional() }),
    reply: z.object({ items: z.array(findingCount), ...outages }),
  }),
  getGrace: row({
    method: 'GET',
    path: '/v1/findings/grace',
    summary: 'How long findings may be there before they are alarmed',
    scope: 'read',
    reply: grace,
  }),
  putGrace: row({
    method: 'PUT',
    path: '/v1/findings/grace',
    summary: 'Set how long findings may be there before they are alarmed, by kind; what is not named stays',
    scope: 'write',
    query: dry,
    body: grace,
    reply: grace,
  }),
  checkPolicy: row({
    method: 'POST',
    path: '/v1/check',
    summary: 'Check assertions over nodes, some nodes at a time; writes nothing',
    scope: 'read',
    body: z.strictObject({ policy, as_of: asOf, cursor: pageQuery.cursor, limit: z.int().min(1).max(1000).optional() }),
    reply: z.object({
      nodes: z.record(z.string(), z.int()).describe('Assertion → nodes of this page that it is about'),
      violations: z.array(violation),
      next: z.string().optional(),
    }),
  }),
  listSiblings: row({
    method: 'GET',
    path: '/v1/siblings',
    summary: 'The odd ones out among machines of a model or a role, without any rule',
    scope: 'read',
    query: z.strictObject({
      by: z.enum(['model', 'role']).optional().describe('What makes machines alike (model when absent)'),
      name: z.string().min(1).max(500).optional().describe('Only this model or role'),
      node: z.string().min(1).max(253).optional().describe('Only what this node is odd in'),
      least: z.coerce.number().int().min(2).max(1_000_000).optional().describe('Machines at least that are alike (5)'),
      share: z.coerce.number().gt(0.5).max(1).optional().describe('Share of them at least that is most (0.8)'),
      limit: pageQuery.limit,
    }),
    reply: z.object({
      items: z.array(sibling),
      more: z.boolean().describe('There are more than `limit`: the rarest are shown'),
      cut: z.array(z.string()).describe('Groups of which no two machines are alike, and not all were compared'),
    }),
  }),
  listProfiles: row({
    method: 'GET',
    path: '/v1/profiles',
    summary: 'List profiles: the expected hardware of models and roles',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(profile),
  }),
  getProfile: row({
    method: 'GET',
    path: '/v1/profiles/{profile}',
    summary: 'Show a profile, and how many nodes meet it',
    scope: 'read',
    params: profileParam,
    reply: profile.extend({ compliance }),
  }),
  putProfile: row({
    method: 'PUT',
    path: '/v1/profiles/{profile}',
    summary: 'Make or change a profile; its nodes are judged anew',
    scope: 'write',
    params: profileParam,
    query: dry,
    body: profileBody,
    reply: profile.extend({ compliance }),
  }),
  deleteProfile: row({
    method: 'DELETE',
    path: '/v1/profiles/{profile}',
    summary: 'Delete a profile and its findings',
    scope: 'write',
    params: profileParam,
    query: dry,
    reply: z.object({ deleted: z.boolean() }),
  }),
  listProfileNodes: row({
    method: 'GET',
    path: '/v1/profiles/{profile}/nodes',
    summary: 'The nodes that a profile is about, and whether they meet it',
    scope: 'read',
    params: profileParam,
    query: z.strictObject({ verdict: verdict.optional(), ...pageQuery }),
    reply: page(
      z.object({ node: z.string(), name: z.string(), verdict, findings: z.int(), observed_at: time.optional() }),
    ),
  }),
  profileFromNode: row({
    method: 'GET',
    path: '/v1/nodes/{node}/profile',
    summary: 'A profile made from a node as it is',
    scope: 'read',
    params: nodeParam,
    reply: z.object({ model: model.optional(), expect: expectations }),
  }),
};
