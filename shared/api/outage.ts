import { z } from 'zod';
import { name } from '../sections/name.ts';

export const outage = z.object({
  since: z.string(),
  nodes: z.int().describe('Those that fell silent with it'),
});

/** What replies about trouble say of sites beside it. */
export const outages = {
  sites_unreachable: z
    .array(outage.extend({ site: name }))
    .optional()
    .describe('Sites that fell silent as a whole; what is known of their nodes is from before'),
};
