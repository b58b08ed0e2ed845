import { z } from 'zod';
import { name } from '../sections/name.ts';
import { section } from './intent.ts';
import { nodeParam, nodeRows } from './nodes.ts';
import { plan, reason, row, writeQuery } from './row.ts';

const MOST_ITEMS = 5000;

const item = nodeRows.assignNode.body
  .omit({ reason: true })
  .extend({
    node: nodeParam.shape.node.optional().describe('Node id or intended FQDN'),
    group: name.optional().describe('Instead of a node: all that belong to this saved group'),
    intended: z
      .partialRecord(section, z.record(z.string(), z.unknown()).nullable())
      .optional()
      .describe("Sections of the node's own intent, each merged with what it is (RFC 7396); null takes one away"),
  })
  .refine(({ node, group }) => (node === undefined) !== (group === undefined), 'give either node or group');
export type BulkItem = z.infer<typeof item>;

const outcome = z.object({
  item: z.int().describe('Place in items, from 0'),
  node: z.string().optional().describe('Its id; absent: there is no such node'),
  name: z.string().describe('As the item names it; of a group, its member'),
  state: z.enum(['done', 'unchanged', 'failed']),
  problem: z
    .object({ code: z.string(), detail: z.string(), pointer: z.string().optional() })
    .optional()
    .describe('Why it failed; pointer: where in the section'),
});
export type BulkOutcome = z.infer<typeof outcome>;
export const bulkReply = plan
  .omit({ etag: true })
  .extend({ done: z.int(), unchanged: z.int(), failed: z.int(), items: z.array(outcome) });
export type BulkReply = z.infer<typeof bulkReply>;

export const bulkRows = {
  bulk: row({
    method: 'POST',
    path: '/v1/bulk',
    summary: 'Give many nodes their place, role, tags, name, address or intent in one request',
    scope: 'write',
    query: writeQuery,
    body: z.strictObject({
      items: z.array(item).min(1).max(MOST_ITEMS),
      mode: z
        .enum(['all', 'each'])
        .optional()
        .describe('all: all of them or none (the default); each: those that can be'),
      reason,
    }),
    reply: bulkReply,
  }),
};
