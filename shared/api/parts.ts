import { z } from 'zod';
import { nodeParam } from './nodes.ts';
import { asOf, page, pageQuery, row, time } from './row.ts';

const kind = z.enum(['dimm', 'gpu', 'nic', 'disk']);
const part = {
  kind,
  serial: z.string().describe('Serial number; MAC or GUID of a network port; WWN of a disk without serial'),
  model: z.string().describe('Part number, else maker; empty when nothing tells'),
};
const seen = {
  node: z.string(),
  name: z.string(),
  slot: z.string().describe('Name of the memory slot, or PCI address'),
  since: time.describe('When the node first reported it there'),
  until: time.optional().describe('When the node reported that it is gone; absent: it is there'),
};

const partSeen = z.object({ ...part, ...seen });
export type PartSeen = z.infer<typeof partSeen>;
const partHistory = z.object({ ...part, seen: z.array(z.object(seen)).describe('The newest first') });
export type PartHistory = z.infer<typeof partHistory>;

export const partRows = {
  listParts: row({
    method: 'GET',
    path: '/v1/parts',
    summary: 'List memory modules, GPUs, network ports and disks, and where they are',
    scope: 'read',
    query: z.strictObject({ kind: kind.optional(), node: nodeParam.shape.node.optional(), as_of: asOf, ...pageQuery }),
    reply: page(partSeen),
  }),
  getPart: row({
    method: 'GET',
    path: '/v1/parts/{serial}',
    summary: 'Where a part is and was: nodes, slots and times',
    scope: 'read',
    params: z.strictObject({ serial: z.string().min(1).max(200) }),
    reply: z.object({ items: z.array(partHistory).describe('Several where makers gave one number twice') }),
  }),
};
