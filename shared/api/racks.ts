import { z } from 'zod';
import { name } from '../sections/name.ts';
import { feedName, standing } from '../sections/placement.ts';
import { nodeParam } from './nodes.ts';
import { asOf, page, pageQuery, plan, reason, row, writeQuery } from './row.ts';

const text = z.string().max(500);
const dry = writeQuery.pick({ dry_run: true });
const done = z.object({ deleted: z.boolean() });

const roomBody = z.strictObject({
  description: text.optional(),
  rows: z.array(name).max(200).optional().describe('Rows of racks in it (none when absent)'),
});
const room = roomBody.extend({ site: name, name });
const roomParam = z.strictObject({ site: name, room: name });

const deviceFields = z.strictObject({
  kind: z.enum(['switch', 'pdu', 'patch-panel', 'blanking-panel', 'other']),
  rack: name.optional().describe('Rack of the site that it stands in'),
  ...standing,
  chassis_id: z
    .string()
    .min(1)
    .max(200)
    .toLowerCase()
    .optional()
    .describe('What a switch calls itself by LLDP, mostly a MAC: cables that name the switch mean it'),
  description: text.optional(),
});
const deviceBody = deviceFields
  .refine(({ part, side }) => part === undefined || side === undefined, {
    message: 'what hangs beside the units takes no part of their width: leave side or part out',
    path: ['part'],
  })
  .refine(({ rack, unit, side }) => (rack === undefined) === (unit === undefined && side === undefined), {
    message: 'a device stands in a rack by its unit or its side: give rack and one of them, or none',
    path: ['rack'],
  });
const device = deviceFields.extend({ site: name, name });
const deviceParam = z.strictObject({ site: name, device: name });

const item = z.object({
  name: z.string(),
  kind: z.enum(['node', 'switch', 'pdu', 'patch-panel', 'blanking-panel', 'other']),
  node: z.string().optional(),
  ...standing,
});
const feed = z.object({
  name: feedName,
  rating_w: z.int(),
  upstream: z.string().optional().describe('The feed that it hangs on: NAME of the site, or RACK/NAME'),
  pdu: z.string().optional(),
});
const rackView = z.object({
  site: name,
  name,
  height: z.int(),
  descending: z.boolean().optional(),
  room: z.string().optional(),
  row: z.string().optional(),
  position: z.int().optional(),
  description: z.string().optional(),
  items: z.array(item).describe('What stands in it, by unit; without unit and side: somewhere'),
  feeds: z.array(feed),
});
export type RackView = z.infer<typeof rackView>;
export type RackItem = z.infer<typeof item>;

const moved = {
  rack: name.nullable().optional(),
  unit: standing.unit.nullable(),
  height: standing.height.nullable(),
  face: standing.face.nullable(),
  part: standing.part.nullable(),
  side: standing.side.nullable(),
  feeds: standing.feeds.nullable(),
  draw_w: standing.draw_w.nullable(),
};
const move = z.strictObject({ node: nodeParam.shape.node, site: name.optional(), ...moved });

export const rackRows = {
  listRooms: row({
    method: 'GET',
    path: '/v1/rooms',
    summary: 'List rooms and the rows in them',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, site: name.optional() }),
    reply: page(room),
  }),
  putRoom: row({
    method: 'PUT',
    path: '/v1/rooms/{site}/{room}',
    summary: 'Make or change a room',
    scope: 'write',
    params: roomParam,
    query: dry,
    body: roomBody,
    reply: room,
  }),
  deleteRoom: row({
    method: 'DELETE',
    path: '/v1/rooms/{site}/{room}',
    summary: 'Delete a room without racks',
    scope: 'write',
    params: roomParam,
    query: dry,
    reply: done,
  }),
  getRack: row({
    method: 'GET',
    path: '/v1/racks/{site}/{rack}',
    summary: 'A rack and what stands in it, now or at a time',
    scope: 'read',
    params: z.strictObject({ site: name, rack: name }),
    query: z.strictObject({ as_of: asOf }),
    reply: rackView,
  }),
  moveNodes: row({
    method: 'POST',
    path: '/v1/moves',
    summary: 'Place nodes, all or none: what moves leaves first, so that two change places',
    scope: 'write',
    query: writeQuery,
    body: z.strictObject({
      items: z.array(move).min(1).max(1000).describe('A field that is absent stays; null takes it away'),
      reason,
    }),
    reply: plan,
  }),
  listDevices: row({
    method: 'GET',
    path: '/v1/devices',
    summary: 'List what stands in racks and is no machine',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, site: name.optional(), rack: name.optional() }),
    reply: page(device),
  }),
  putDevice: row({
    method: 'PUT',
    path: '/v1/devices/{site}/{device}',
    summary: 'Make or change a device that is no machine: a switch, PDU, patch panel, blanking panel',
    scope: 'write',
    params: deviceParam,
    query: dry,
    body: deviceBody,
    reply: device,
  }),
  deleteDevice: row({
    method: 'DELETE',
    path: '/v1/devices/{site}/{device}',
    summary: 'Delete a device',
    scope: 'write',
    params: deviceParam,
    query: dry,
    reply: done,
  }),
};
