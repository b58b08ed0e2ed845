import { z } from 'zod';

/**
 * What a credential must allow. `node:*` are agents, by identity level (`node:rescue`: a machine in rescue, and nothing else); `relay`
 * is a relay's own; the others are operators' tokens.
 */
export const operatorScopes = ['read', 'write', 'approve', 'admin'] as const;
export type OperatorScope = (typeof operatorScopes)[number];
export type Scope = 'public' | 'node:claimed' | 'node:approved' | 'node:rescue' | 'relay' | OperatorScope;

/** One line of the contract. Routes, validation, OpenAPI, the client and the command line derive from it. */
export interface Row {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path with `{name}` parameters, as in OpenAPI. */
  path: string;
  summary: string;
  scope: Scope;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** The body is a form (application/x-www-form-urlencoded), not JSON: it is given as its text. */
  form?: true;
  reply: z.ZodType;
  /** The GET answers `ETag` and honours `If-None-Match`. */
  etag?: true;
  /** Upgrading the GET gives a WebSocket; this is what it carries. */
  websocket?: string;
}

export function row<const R extends Row>(definition: R): R {
  return definition;
}

/** How every write can be tried and guarded. */
export const writeQuery = z.strictObject({
  dry_run: z.stringbool().optional().describe('Answer the plan, write nothing'),
  max_affected: z.coerce.number().int().min(0).optional().describe('Refuse when more nodes would change'),
});

export const reason = z.string().trim().min(1).max(500).describe('Why, for the audit trail');
export const time = z.iso.datetime({
  offset: true,
  error: 'give a time with its date and zone, such as 2026-11-17T08:00:00Z',
});
export const asOf = time.optional().describe('The state of things at this time');
export const pageQuery = {
  cursor: z.string().max(500).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1000).optional().describe('Items at most (100 when absent)'),
};

export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

/** What a write changes, or would change. */
export const plan = z.object({
  applied: z.boolean(),
  affected: z.int().describe('Nodes whose wanted state changes'),
  nodes: z
    .array(
      z.object({
        node: z.string(),
        fqdn: z.string().optional(),
        changes: z.array(z.object({ path: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })),
      }),
    )
    .describe('The first 1,000 of them'),
  etag: z.string().optional().describe('Version after the write, for If-Match'),
});
export type Plan = z.infer<typeof plan>;
