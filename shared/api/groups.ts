import { z } from 'zod';
import { pattern } from '../groups/pattern.ts';
import { name } from '../sections/name.ts';
import { node } from './nodes.ts';
import { page, pageQuery, row, time, writeQuery } from './row.ts';

const params = z.strictObject({ group: name });
const query = writeQuery.pick({ dry_run: true });
const body = z.strictObject({
  pattern: pattern.describe('Which nodes belong to it, as docs/groups.md has it'),
  comment: z.string().max(500).optional(),
});
export const group = body.extend({
  name,
  pattern: z.record(z.string(), z.unknown()),
  members: z.int(),
  current: z.boolean().describe('Every node has been judged by the patterns that there are now'),
  changed_by: z.string(),
  changed_at: time,
});
export type Group = z.infer<typeof group>;

export const groupRows = {
  listGroups: row({
    method: 'GET',
    path: '/v1/groups',
    summary: 'List saved groups',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(group),
  }),
  getGroup: row({
    method: 'GET',
    path: '/v1/groups/{group}',
    summary: 'Show a saved group',
    scope: 'read',
    params,
    reply: group,
  }),
  putGroup: row({
    method: 'PUT',
    path: '/v1/groups/{group}',
    summary: 'Save a pattern over facts as a group; a dry run counts who would belong to it',
    scope: 'write',
    params,
    query,
    body,
    reply: group,
  }),
  deleteGroup: row({
    method: 'DELETE',
    path: '/v1/groups/{group}',
    summary: 'Delete a saved group; its nodes stay as they are',
    scope: 'write',
    params,
    query,
    reply: z.object({ deleted: z.boolean() }),
  }),
  listGroupMembers: row({
    method: 'GET',
    path: '/v1/groups/{group}/members',
    summary: 'List the nodes of a saved group',
    scope: 'read',
    params,
    query: z.strictObject(pageQuery),
    reply: page(node),
  }),
};
