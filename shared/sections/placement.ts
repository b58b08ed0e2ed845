import { z } from 'zod';
import { name } from './name.ts';

/** Name of a power feed: mostly A or B. */
export const feedName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'use letters, digits, ".", "_" and "-"');

/** Where within a rack something stands: of machines and of other devices. */
export const standing = {
  unit: z.int().min(1).max(100).optional().describe('Lowest rack unit taken'),
  height: z.int().min(1).max(100).optional().describe('Rack units taken (1 when absent)'),
  face: z.enum(['front', 'rear', 'both']).optional().describe('Side of the rack it takes ("both" when absent)'),
  part: z
    .enum(['left', 'right', '1/3', '2/3', '3/3', '1/4', '2/4', '3/4', '4/4'])
    .optional()
    .describe('Part of the width it takes, seen from the front (all when absent): a half, third or quarter'),
  side: z
    .enum(['left', 'right'])
    .optional()
    .describe('It hangs beside the units (zero-U), on this side seen from the front; all along it without unit'),
  feeds: z
    .array(feedName)
    .max(8)
    .optional()
    .describe('Power feeds it draws from (all feeds of its rack when absent; [] for none)'),
  draw_w: z.int().min(0).max(1_000_000).optional().describe('Watts it draws (as its nameplate says when absent)'),
};

/** Where the machine stands. Units count from 1; a device takes `height` units from there on, towards higher numbers. */
export const placement = {
  intended: z
    .strictObject({
      site: name.describe('Name of the site'),
      rack: name.optional().describe('Name of the rack within the site'),
      ...standing,
    })
    .refine(({ part, side }) => part === undefined || side === undefined, {
      message: 'what hangs beside the units takes no part of their width: leave side or part out',
      path: ['part'],
    }),
};
export type Placement = z.infer<typeof placement.intended>;

/** Which part of how many of the width, counted from the left. */
export function fractionOf(part: Placement['part']): [at: number, of: number] {
  if (part === undefined) return [1, 1];
  if (part === 'left') return [1, 2];
  if (part === 'right') return [2, 2];
  const [at, of] = part.split('/').map(Number);
  return [at!, of!];
}
