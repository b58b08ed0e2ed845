import { z } from 'zod';
import { name } from './name.ts';

/** Where the machine stands. Units count from 1 at the bottom of the rack; a device takes `height` units upwards. */
export const placement = {
  intended: z.strictObject({
    site: name.describe('Name of the site'),
    rack: name.optional().describe('Name of the rack within the site'),
    unit: z.int().min(1).max(100).optional().describe('Lowest rack unit taken'),
    height: z.int().min(1).max(100).optional().describe('Rack units taken (1 when absent)'),
    face: z.enum(['front', 'rear', 'both']).optional().describe('Side of the rack it takes ("both" when absent)'),
  }),
};
export type Placement = z.infer<typeof placement.intended>;
