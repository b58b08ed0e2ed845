import { z } from 'zod';
import { name } from '../sections/name.ts';
import { standing } from '../sections/placement.ts';
import { nodeParam } from './nodes.ts';
import { page, pageQuery, row, writeQuery } from './row.ts';

const dry = writeQuery.pick({ dry_run: true });
const label = z.string().trim().min(1).max(200);
const port = {
  switch: label
    .toLowerCase()
    .describe('A device of the site (best with its chassis_id), or the chassis id or system name that LLDP tells'),
  port: label.describe('The port id or port description that LLDP tells'),
};
const nic = label.describe('MAC of the port, or the name of its interface');
const cable = z.strictObject({ node: nodeParam.shape.node, nic, ...port });
const shownCable = cable.extend({ name: z.string(), created_by: z.string() });
const where = { unit: standing.unit, height: standing.height, face: standing.face, part: standing.part };
const portPlace = z.strictObject({ ...port, site: name, rack: name, ...where, unit: where.unit.unwrap() });
const proposal = z.object({
  node: z.string(),
  name: z.string(),
  site: name,
  rack: name,
  ...where,
  agree: z.int().describe('Ports of the node that are in switch ports of this place'),
  heard: z.int().describe('Ports of the node that are in switch ports of any place'),
  free: z.boolean().describe('Nothing else stands there'),
  taken_by: z.string().optional(),
  confidence: z.number().describe('agree / heard; 0 where it is not free'),
  ports: z.array(z.string()).describe('What speaks for it: INTERFACE SWITCH PORT'),
});
export type Proposal = z.infer<typeof proposal>;
const stored = z.object({ stored: z.int() });
const done = z.object({ deleted: z.boolean() });

export const cablingRows = {
  listCables: row({
    method: 'GET',
    path: '/v1/cables',
    summary: 'List intended cables: which port of a node is to be in which port of a switch',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, node: nodeParam.shape.node.optional(), switch: port.switch.optional() }),
    reply: page(shownCable),
  }),
  putCables: row({
    method: 'PUT',
    path: '/v1/cables',
    summary: 'Intend cables, all or none; those of other ports stay as they are',
    scope: 'write',
    query: dry,
    body: z.strictObject({ items: z.array(cable).min(1).max(10_000) }),
    reply: stored,
  }),
  deleteCable: row({
    method: 'DELETE',
    path: '/v1/cables',
    summary: 'Intend a cable no longer',
    scope: 'write',
    query: dry.extend({ node: nodeParam.shape.node, nic }),
    reply: done,
  }),
  listPortPlaces: row({
    method: 'GET',
    path: '/v1/port-places',
    summary: 'List the places of the machines at switch ports',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, site: name.optional(), rack: name.optional() }),
    reply: page(portPlace),
  }),
  putPortPlaces: row({
    method: 'PUT',
    path: '/v1/port-places',
    summary: 'Say where the machine at a switch port stands, for many ports at once',
    scope: 'write',
    query: dry,
    body: z.strictObject({ items: z.array(portPlace).min(1).max(10_000) }),
    reply: stored,
  }),
  deletePortPlace: row({
    method: 'DELETE',
    path: '/v1/port-places',
    summary: 'Forget where the machine at a switch port stands',
    scope: 'write',
    query: dry.extend(port),
    reply: done,
  }),
  listProposals: row({
    method: 'GET',
    path: '/v1/place-proposals',
    summary: 'Where nodes without a rack stand, as their switch ports tell',
    scope: 'read',
    query: z.strictObject({ ...pageQuery, node: nodeParam.shape.node.optional() }),
    reply: page(proposal),
  }),
};
