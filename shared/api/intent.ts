import { z } from 'zod';
import { name } from '../sections/name.ts';
import { nodeParam } from './nodes.ts';
import { plan, reason, row, time, writeQuery } from './row.ts';

export const section = z.enum([
  'hostname',
  'network',
  'bgp',
  'ssh',
  'repos',
  'time',
  'placement',
  'role',
  'tags',
  'image',
  'cloud_init',
  'mode',
]);
export type IntentSection = z.infer<typeof section>;
const intent = z.object({
  section,
  data: z.unknown(),
  etag: z.string(),
  actor: z.string(),
  reason: z.string().optional(),
  at: time,
});
const explained = z.object({
  path: z.string(),
  value: z.unknown().optional(),
  layer: z.string().describe('Subject whose intent won: fleet, site/X, role/X, rack/SITE:X, node/ID'),
  overrides: z.array(z.object({ layer: z.string(), value: z.unknown().optional() })),
  gives: z
    .object({
      address: z.string().optional(),
      network: z.string(),
      site: z.string().optional().describe("The network is a site's or a rack's"),
      rack: z.string().optional(),
      cidr: z.string().optional(),
      how: z
        .enum(['given', 'unit', 'free'])
        .describe('It is given in the intent, by the rack unit, or the first free one'),
      problem: z.string().optional().describe('Why there is no address'),
    })
    .optional()
    .describe('At the network of an address: the address now held, and which network of that name it is from'),
});
export type Explanation = z.infer<typeof explained>;

/** The five layers carry the same rows; only path and parameters differ. */
function layer<const P extends string, Q extends z.ZodRawShape>(path: P, what: string, params: z.ZodObject<Q>) {
  const withSection = params.extend({ section });
  return {
    get: row({
      method: 'GET',
      path: `${path}/intended`,
      summary: `Intent of ${what}`,
      scope: 'read',
      params,
      query: z.strictObject({ as_of: time.optional() }),
      reply: z.object({ items: z.array(intent) }),
    }),
    put: row({
      method: 'PUT',
      path: `${path}/intended/{section}`,
      summary: `Set one section of the intent of ${what}`,
      scope: 'write',
      params: withSection,
      query: writeQuery.extend({ reason: reason.optional() }),
      body: z.record(z.string(), z.unknown()),
      reply: plan,
    }),
    revert: row({
      method: 'POST',
      path: `${path}/intended/{section}/revert`,
      summary: `Make one section of the intent of ${what} what it was`,
      scope: 'write',
      params: withSection,
      query: writeQuery,
      body: z.strictObject({
        to: time.optional().describe('What was in force at this time'),
        revision: z.string().max(50).optional().describe('The version of this etag or cursor instead'),
        reason,
      }),
      reply: plan,
    }),
    delete: row({
      method: 'DELETE',
      path: `${path}/intended/{section}`,
      summary: `Take one section of the intent of ${what} away`,
      scope: 'write',
      params: withSection,
      query: writeQuery.extend({ reason: reason.optional() }),
      reply: plan,
    }),
  };
}

const fleet = layer('/v1/fleet', 'the fleet', z.strictObject({}));
const site = layer('/v1/sites/{site}', 'a site', z.strictObject({ site: name }));
const role = layer('/v1/roles/{role}', 'a role', z.strictObject({ role: name }));
const rack = layer('/v1/racks/{site}/{rack}', 'a rack', z.strictObject({ site: name, rack: name }));
const node = layer('/v1/nodes/{node}', 'a node', nodeParam);

export const intentRows = {
  getFleetIntent: fleet.get,
  putFleetIntent: fleet.put,
  deleteFleetIntent: fleet.delete,
  revertFleetIntent: fleet.revert,
  getSiteIntent: site.get,
  putSiteIntent: site.put,
  deleteSiteIntent: site.delete,
  revertSiteIntent: site.revert,
  getRoleIntent: role.get,
  putRoleIntent: role.put,
  deleteRoleIntent: role.delete,
  revertRoleIntent: role.revert,
  getRackIntent: rack.get,
  putRackIntent: rack.put,
  deleteRackIntent: rack.delete,
  revertRackIntent: rack.revert,
  getNodeIntent: row({
    ...node.get,
    summary: "A node's own intent; with explain, every value and the layer it comes from",
    query: z.strictObject({ as_of: time.optional(), explain: z.stringbool().optional() }),
    reply: z.object({ items: z.array(intent), explain: z.array(explained).optional() }),
  }),
  putNodeIntent: node.put,
  deleteNodeIntent: node.delete,
  revertNodeIntent: node.revert,
};
