import { z } from 'zod';
import { name } from '../sections/name.ts';
import { page, pageQuery, reason, row, time } from './row.ts';

const kind = z
  .string()
  .max(100)
  .regex(/^[a-z0-9._*-]+$/, 'expected a kind such as node.approved, alarm.* or revision.intended.*');
const secret = z.string().max(200).describe('whsec_ and base64 of 24 to 64 bytes');
const params = z.strictObject({ webhook: name });

const webhook = z.object({
  name,
  url: z.string().describe('Without scope admin: scheme and host only'),
  kinds: z.array(z.string()),
  description: z.string().optional(),
  state: z.enum(['active', 'failing', 'disabled', 'paused']).describe('paused: the database was restored'),
  delivered: z.int().describe('Messages that arrived'),
  delivered_at: time.optional(),
  attempts: z.int().describe('Failed attempts of the message that is next'),
  next_at: time.optional().describe('When that is tried again'),
  tried_at: time.optional(),
  last_status: z.int().optional(),
  last_error: z.string().optional(),
  cursor: z.string().describe('Place in the feed that it has got to'),
  created_by: z.string(),
  created_at: time,
});
export type WebhookView = z.infer<typeof webhook>;

export const webhookRows = {
  listWebhooks: row({
    method: 'GET',
    path: '/v1/webhooks',
    summary: 'Endpoints that are told of what happens, and how their delivery stands',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(webhook),
  }),
  getWebhook: row({
    method: 'GET',
    path: '/v1/webhooks/{webhook}',
    summary: 'Show a webhook',
    scope: 'read',
    params,
    reply: webhook,
  }),
  putWebhook: row({
    method: 'PUT',
    path: '/v1/webhooks/{webhook}',
    summary: 'Tell an endpoint what happens from now on; the secret is shown once',
    scope: 'admin',
    params,
    body: z.strictObject({
      url: z.url().max(2000).describe('https://...'),
      kinds: z
        .array(kind)
        .min(1)
        .max(100)
        .optional()
        .describe('Kinds of events, * for any text; revision.SIDE.SECTION for revisions (all events when absent)'),
      description: z.string().max(500).optional(),
      secret: secret.optional(),
    }),
    reply: webhook.extend({ secret: z.string().optional().describe('Where the service made one') }),
  }),
  rotateWebhook: row({
    method: 'POST',
    path: '/v1/webhooks/{webhook}/rotate',
    summary: 'Give a webhook another secret; for a day both sign',
    scope: 'admin',
    params,
    body: z.strictObject({ secret: secret.optional(), reason }),
    reply: webhook.extend({ secret: z.string().optional().describe('Where the service made one') }),
  }),
  deleteWebhook: row({
    method: 'DELETE',
    path: '/v1/webhooks/{webhook}',
    summary: 'Delete a webhook',
    scope: 'admin',
    params,
    reply: z.object({ deleted: z.boolean() }),
  }),
  testWebhook: row({
    method: 'POST',
    path: '/v1/webhooks/{webhook}/test',
    summary: 'Send an endpoint a test message now',
    scope: 'admin',
    params,
    reply: z.object({ delivered: z.boolean(), status: z.int().optional(), error: z.string().optional() }),
  }),
  resumeWebhook: row({
    method: 'POST',
    path: '/v1/webhooks/{webhook}/resume',
    summary: 'Let a webhook go on, with the message that is next or with what happens from now on',
    scope: 'admin',
    params,
    body: z.strictObject({ skip: z.boolean().optional().describe('Leave out what it has not got yet'), reason }),
    reply: webhook,
  }),
};
