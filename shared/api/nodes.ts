import { z } from 'zod';
import { name } from '../sections/name.ts';
import { standing } from '../sections/placement.ts';
import { feedItem } from './feed-item.ts';
import { installStatus } from './install-status.ts';
import { outages } from './outage.ts';
import { onceStatus, rescueStatus } from './rescue-status.ts';
import { asOf, page, pageQuery, plan, reason, row, time, writeQuery } from './row.ts';

export const nodeParam = z.strictObject({
  node: z.string().min(1).max(253).describe('Node id, FQDN, serial:X or mac:X (writes: id or intended FQDN)'),
});
const state = z.enum([
  'discovered',
  'approved',
  'installing',
  'configuring',
  'active',
  'maintenance',
  'broken',
  'retired',
]);
const health = z.enum(['ok', 'drifted', 'unreachable', 'unknown']);

export const node = z.object({
  id: z.string(),
  name: z.string().describe('FQDN, else the name it reports, else its id'),
  fqdn: z.string().optional(),
  state,
  state_at: time,
  health,
  level: z.enum(['seen', 'claimed', 'approved', 'attested']),
  mode: z.enum(['observe', 'plan', 'enforce']),
  site: z.string().optional(),
  rack: z.string().optional(),
  unit: z.int().optional(),
  role: z.string().optional(),
  tags: z.array(z.string()),
  groups: z.array(z.string()).describe('Saved groups that it belongs to'),
  addresses: z.array(z.string()).describe('Wanted addresses, CIDR'),
  model: z.string().optional(),
  serial: z.string().optional(),
  macs: z.array(z.string()),
  findings: z.int(),
  hold: z.boolean(),
  locked: z.string().optional().describe('Why secrets and intent are withheld'),
  merged_into: z.string().optional().describe('The node that it turned out to be'),
  generation: z.int(),
  created_at: time,
  seen_at: time.optional().describe('Last heartbeat, by the server clock'),
  observed_at: time.optional(),
  agent_version: z.string().optional(),
});
export type Node = z.infer<typeof node>;

const key = z.object({
  fingerprint: z.string(),
  kind: z.enum(['ed25519', 'p256']),
  status: z.enum(['pending', 'current', 'retired', 'revoked', 'rescue']),
  added_at: time,
});
export const nodeDetail = node.extend({
  keys: z.array(key),
  hardware: z.record(z.string(), z.unknown()).describe('Hints it claimed with'),
  observed: z.record(z.string(), z.unknown()),
  errors: z.record(z.string(), z.string()).describe('Sections that could not be observed, and why'),
  host_keys: z
    .record(z.string(), z.string())
    .optional()
    .describe("SSH host keys by type, as the newest installed system's cloud-init told them"),
  install: installStatus.optional().describe('The newest install that was asked for'),
  rescue: rescueStatus.optional().describe('The rescue that is open'),
  boot_once: onceStatus
    .optional()
    .describe('The way of one boot that was asked for, until it was used or its time is over'),
});

export const finding = z.object({
  id: z.int(),
  node: z.string(),
  name: z.string(),
  section: z.string(),
  path: z.string(),
  kind: z.enum(['missing', 'mismatch', 'unexpected', 'unknown']),
  severity: z.enum(['info', 'warning', 'error']),
  expected: z.unknown().optional(),
  got: z.unknown().optional(),
  message: z.string(),
  first_seen: time,
  alarmed: z
    .boolean()
    .optional()
    .describe('It is older than the grace of its kind, and nobody acknowledged it; absent in the past'),
  acknowledged: z.object({ by: z.string(), until: time.optional(), reason: z.string() }).optional(),
});
export type Finding = z.infer<typeof finding>;

const act = z.strictObject({ reason });
const acted = z.object({ node });

export const nodeRows = {
  listNodes: row({
    method: 'GET',
    path: '/v1/nodes',
    summary: 'List nodes',
    scope: 'read',
    query: z.strictObject({
      role: name.optional(),
      site: name.optional(),
      rack: name.optional(),
      state: state.optional(),
      health: health.optional(),
      tag: name.optional(),
      group: name.optional().describe('Saved group'),
      q: z
        .string()
        .max(200)
        .refine((text) => text === '' || /[\p{L}\p{N}]/u.test(text), 'has no letter or digit to look for')
        .optional()
        .describe('Text in name, serial, model, MAC or id; one or two characters: what begins with them'),
      as_of: asOf,
      ...pageQuery,
    }),
    reply: page(node),
  }),
  getNode: row({
    method: 'GET',
    path: '/v1/nodes/{node}',
    summary: 'Show a node',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({ as_of: asOf }),
    reply: nodeDetail,
  }),
  getObserved: row({
    method: 'GET',
    path: '/v1/nodes/{node}/observed',
    summary: 'What the machine reported',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({ as_of: asOf }),
    reply: z.object({
      sections: z.record(z.string(), z.unknown()),
      errors: z.record(z.string(), z.string()),
      names: z
        .record(z.string(), z.string())
        .describe("Names of the PCI ids among them, by the server's database: '0x8086:0x1521', 'class 0x0200'"),
    }),
  }),
  getWanted: row({
    method: 'GET',
    path: '/v1/nodes/{node}/wanted',
    summary: 'What the node should be, resolved and signed',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({ as_of: asOf }),
    reply: z.object({
      generation: z.int(),
      wanted: z.record(z.string(), z.unknown()),
      signature: z.string().optional(),
      key: z.string().optional(),
    }),
  }),
  getNodeFindings: row({
    method: 'GET',
    path: '/v1/nodes/{node}/findings',
    summary: 'Differences between wanted and observed',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({ as_of: asOf }),
    reply: z.object({ items: z.array(finding) }),
  }),
  getHistory: row({
    method: 'GET',
    path: '/v1/nodes/{node}/history',
    summary: 'Revisions and events of a node, newest first',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({ section: name.optional(), ...pageQuery }),
    reply: page(feedItem),
  }),
  diffNode: row({
    method: 'GET',
    path: '/v1/nodes/{node}/diff',
    summary: 'What changed of a node between two times, or in what it differs from another',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({
      from: time.optional().describe('The earlier time'),
      to: time.optional().describe('The later time; now when absent'),
      with: z.string().min(1).max(253).optional().describe('Another node, to compare at the later time instead'),
    }),
    reply: z.object({
      changes: z.array(z.object({ path: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })),
    }),
  }),
  approveNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/approve',
    summary: 'Trust the key that the node claimed with',
    scope: 'approve',
    params: nodeParam,
    body: z.strictObject({
      fingerprint: z.string().max(100).describe('The key fingerprint that the node shows on its console'),
      reason,
    }),
    reply: acted,
  }),
  revokeNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/revoke',
    summary: 'Distrust all keys of a node at once',
    scope: 'approve',
    params: nodeParam,
    body: act,
    reply: acted,
  }),
  holdNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/hold',
    summary: 'Stop applies and installs on a node, or let them go on',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({ hold: z.boolean(), reason }),
    reply: acted,
  }),
  setNodeState: row({
    method: 'POST',
    path: '/v1/nodes/{node}/state',
    summary: 'Take a node out of service, retire it, or bring it back',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({ state: z.enum(['maintenance', 'broken', 'retired', 'active']), reason }),
    reply: acted,
  }),
  adoptNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/adopt',
    summary: "Make what a node's configuration is what it should be",
    scope: 'write',
    params: nodeParam,
    query: writeQuery,
    body: z.strictObject({ sections: z.array(z.enum(['hostname', 'network', 'ssh', 'repos', 'time'])).min(1), reason }),
    reply: plan,
  }),
  assignNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/assign',
    summary: 'Give a node its place, role, tags, name and address in one go',
    scope: 'write',
    params: nodeParam,
    query: writeQuery,
    body: z.strictObject({
      site: name.optional(),
      rack: name.optional(),
      ...standing,
      role: name.optional(),
      tags: z.array(name).max(100).optional(),
      fqdn: z.string().max(253).optional(),
      network: name.optional().describe('Network of the address; its first interface gets it'),
      address: z.string().max(50).optional().describe('This address of the network; else the first free one'),
      interface: z.string().max(100).optional().describe('Interface for the address: its name or MAC'),
      mode: z.enum(['observe', 'plan', 'enforce']).optional(),
      reason,
    }),
    reply: plan,
  }),
  listFindings: row({
    method: 'GET',
    path: '/v1/findings',
    summary: 'Findings of the fleet',
    scope: 'read',
    query: z.strictObject({
      section: name.optional(),
      severity: z.enum(['info', 'warning', 'error']).optional(),
      site: name.optional(),
      role: name.optional(),
      acknowledged: z.stringbool().optional(),
      as_of: asOf,
      alarmed: z.stringbool().optional().describe('Older than the grace of its kind, and not acknowledged'),
      ...pageQuery,
    }),
    reply: page(finding).extend(outages),
  }),
  acknowledgeFinding: row({
    method: 'POST',
    path: '/v1/findings/{id}/acknowledge',
    summary: 'Accept a difference for a time',
    scope: 'write',
    params: z.strictObject({ id: z.coerce.number().int() }),
    body: z.strictObject({ until: time.optional(), reason }),
    reply: z.object({ finding }),
  }),
};
