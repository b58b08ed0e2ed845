import { z } from 'zod';
import { name } from '../sections/name.ts';
import { feedItem } from './feed-item.ts';
import { asOf, operatorScopes, page, pageQuery, reason, row, time } from './row.ts';

const scopes = z.array(z.enum(operatorScopes)).min(1);
const token = z.object({
  id: z.uuid(),
  name: z.string(),
  scopes,
  created_by: z.string(),
  created_at: time,
  expires_at: time.optional(),
  revoked_at: time.optional(),
});
const expiry = z
  .int()
  .min(60)
  .max(366 * 86400)
  .describe('Seconds until it expires');
const ruleBody = z.strictObject({
  serials: z.array(z.string().min(1).max(200)).min(1).max(10_000).optional().describe('Any of these serial numbers'),
  networks: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .min(1)
    .max(100)
    .optional()
    .describe('Claims from these networks'),
  vendor: z.string().max(200).optional(),
  product: z.string().max(200).optional(),
  site: name.optional().describe('Place the node there'),
  role: name.optional().describe('Give the node this role'),
  take_place: z
    .number()
    .min(0.01)
    .max(1)
    .optional()
    .describe('Take the place that its switch ports tell, when this part of its NICs agree and it is free (0.01 to 1)'),
  expires_in: expiry.optional(),
  uses: z.int().min(1).max(100_000).optional(),
});
const rule = ruleBody.omit({ expires_in: true, uses: true }).extend({
  name,
  expires_at: time.optional(),
  uses_left: z.int().optional(),
  created_by: z.string(),
});
const ca = z.object({
  generation: z.int(),
  pin: z.string(),
  created_at: time,
  status: z.enum(['current', 'valid', 'retired']),
});

export const serviceRows = {
  events: row({
    method: 'GET',
    path: '/v1/events',
    summary: 'Everything that happened, in order, from a cursor on; follows when upgraded to a WebSocket',
    scope: 'read',
    query: z.strictObject({
      ...pageQuery,
      cursor: z.string().max(100).optional().describe('epoch.seq, or "now"; the beginning when absent'),
    }),
    websocket: 'server: one feed item a message',
    reply: page(feedItem).extend({ cursor: z.string().describe('Of the last item, to go on from') }),
  }),
  inventory: row({
    method: 'GET',
    path: '/v1/ansible/inventory',
    summary: "Ansible's dynamic inventory: groups and host variables",
    scope: 'read',
    query: z.strictObject({ as_of: asOf }),
    etag: true,
    reply: z.record(z.string(), z.unknown()),
  }),
  prometheusTargets: row({
    method: 'GET',
    path: '/v1/prometheus/targets',
    summary: 'Nodes as Prometheus http_sd targets',
    scope: 'read',
    query: z.strictObject({ port: z.coerce.number().int().min(1).max(65535).optional() }),
    reply: z.array(z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) })),
  }),
  listTokens: row({
    method: 'GET',
    path: '/v1/tokens',
    summary: 'List operator tokens',
    scope: 'admin',
    query: z.strictObject(pageQuery),
    reply: page(token),
  }),
  createToken: row({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make an operator token; it is shown once',
    scope: 'admin',
    body: z.strictObject({ name: z.string().min(1).max(100), scopes, expires_in: expiry.optional() }),
    reply: token.extend({ token: z.string() }),
  }),
  revokeToken: row({
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revoke an operator token',
    scope: 'admin',
    params: z.strictObject({ id: z.uuid() }),
    reply: token,
  }),
  createJoinToken: row({
    method: 'POST',
    path: '/v1/join-tokens',
    summary: 'Make a token that approves the machines that enrol with it; it is shown once',
    scope: 'approve',
    body: z.strictObject({
      uses: z.int().min(1).max(100_000),
      expires_in: expiry,
      site: name.optional(),
      role: name.optional(),
    }),
    reply: z.object({ id: z.uuid(), token: z.string(), uses_left: z.int(), expires_at: time }),
  }),
  listApprovalRules: row({
    method: 'GET',
    path: '/v1/approval-rules',
    summary: 'List approval rules',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(rule),
  }),
  putApprovalRule: row({
    method: 'PUT',
    path: '/v1/approval-rules/{rule}',
    summary: 'Approve machines that meet all conditions given',
    scope: 'approve',
    params: z.strictObject({ rule: name }),
    body: ruleBody,
    reply: rule,
  }),
  deleteApprovalRule: row({
    method: 'DELETE',
    path: '/v1/approval-rules/{rule}',
    summary: 'Delete an approval rule',
    scope: 'approve',
    params: z.strictObject({ rule: name }),
    reply: z.object({ deleted: z.boolean() }),
  }),
  holdFleet: row({
    method: 'POST',
    path: '/v1/fleet/hold',
    summary: 'Stop all applies and installs, or let them go on',
    scope: 'admin',
    body: z.strictObject({ hold: z.boolean(), reason }),
    reply: z.object({ hold: z.boolean(), reason: z.string() }),
  }),
  listSecrets: row({
    method: 'GET',
    path: '/v1/secrets',
    summary: 'Names of the secrets',
    scope: 'admin',
    query: z.strictObject(pageQuery),
    reply: page(z.object({ name, generation: z.int(), created_at: time })),
  }),
  putSecret: row({
    method: 'PUT',
    path: '/v1/secrets/{secret}',
    summary: 'Store a secret; it cannot be read back',
    scope: 'admin',
    params: z.strictObject({ secret: name }),
    body: z.strictObject({ value: z.string().min(1).max(65_536) }),
    reply: z.object({ name, generation: z.int() }),
  }),
  getCa: row({
    method: 'GET',
    path: '/v1/ca',
    summary: 'Generations of the certificate authority',
    scope: 'read',
    reply: z.object({ items: z.array(ca) }),
  }),
  rotateCa: row({
    method: 'POST',
    path: '/v1/ca/rotate',
    summary: 'Make a new CA generation; the one before stays valid',
    scope: 'admin',
    body: z.strictObject({ reason }),
    reply: z.object({ items: z.array(ca) }),
  }),
  healthz: row({
    method: 'GET',
    path: '/healthz',
    summary: 'The process answers',
    scope: 'public',
    reply: z.object({ status: z.literal('ok') }),
  }),
  readyz: row({
    method: 'GET',
    path: '/readyz',
    summary: 'The service can do its work',
    scope: 'public',
    reply: z.object({ status: z.literal('ok') }),
  }),
  metrics: row({
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in Prometheus text format',
    scope: 'read',
    reply: z.string(),
  }),
  openapi: row({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This contract as OpenAPI 3.1',
    scope: 'public',
    reply: z.record(z.string(), z.unknown()),
  }),
};
