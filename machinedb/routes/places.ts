import type { Handlers } from '../context.ts';
import { allocationRoutes } from './allocations.ts';
import { networkRoutes } from './networks.ts';
import { rackRoutes } from './racks.ts';
import { roleRoutes } from './roles.ts';
import { siteRoutes } from './sites.ts';

/** Where machines stand, what they are for, and the addresses they get. */
export const placeRoutes = {
  ...siteRoutes,
  ...rackRoutes,
  ...roleRoutes,
  ...networkRoutes,
  ...allocationRoutes,
} satisfies Partial<Handlers>;
