import { z } from 'zod';
import { expectations } from '../expectation.ts';
import { name } from '../sections/name.ts';
import { nodeParam } from './nodes.ts';
import { page, pageQuery, row, time, writeQuery } from './row.ts';

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

export const driftRows = {
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
