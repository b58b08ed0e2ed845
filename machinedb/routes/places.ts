import type { Handlers } from '../context.ts';
import { allocationRoutes } from './allocations.ts';
import { deviceRoutes } from './devices.ts';
import { moveRoutes } from './moves.ts';
import { networkRoutes } from './networks.ts';
import { powerRoutes } from './power.ts';
import { rackRoutes } from './racks.ts';
import { roleRoutes } from './roles.ts';
import { roomRoutes } from './rooms.ts';
import { siteRoutes } from './sites.ts';

/** Where machines stand, what they are for, and the addresses they get. */
export const placeRoutes = {
  ...siteRoutes,
  ...rackRoutes,
  ...roomRoutes,
  ...deviceRoutes,
  ...moveRoutes,
  ...powerRoutes,
  ...roleRoutes,
  ...networkRoutes,
  ...allocationRoutes,
} satisfies Partial<Handlers>;
