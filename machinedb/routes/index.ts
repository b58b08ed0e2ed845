import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import type { Context, Handlers, Request } from '../context.ts';
import { linkSocket } from '../relays/link.ts';
import { approvalRoutes } from './approval.ts';
import { assignRoutes } from './assign.ts';
import { caRoutes } from './ca.ts';
import { enrolRoutes } from './enrol.ts';
import { eventRoutes, eventsSocket } from './events.ts';
import { findingRoutes } from './findings.ts';
import { historyRoutes } from './history.ts';
import { installRoutes } from './install.ts';
import { intentRoutes } from './intent.ts';
import { inventoryRoutes } from './inventory.ts';
import { nodeReads } from './nodes.ts';
import { placeRoutes } from './places.ts';
import { relayRoutes } from './relays.ts';
import { rescueRoutes } from './rescue.ts';
import { revertRoutes } from './revert.ts';
import { rolloutRoutes } from './rollouts.ts';
import { secretRoutes } from './secrets.ts';
import { seedRoutes } from './seed.ts';
import { selfRoutes, sessionSocket } from './self.ts';
import { serviceRoutes } from './service.ts';
import { tokenRoutes } from './tokens.ts';
import { webhookRoutes } from './webhooks.ts';

/** A handler for every row of the contract: one that is missing does not compile. */
export const handlers: Handlers = {
  ...nodeReads,
  ...historyRoutes,
  ...assignRoutes,
  ...approvalRoutes,
  ...intentRoutes,
  ...revertRoutes,
  ...placeRoutes,
  ...findingRoutes,
  ...enrolRoutes,
  ...selfRoutes,
  ...installRoutes,
  ...rescueRoutes,
  ...seedRoutes,
  ...rolloutRoutes,
  ...relayRoutes,
  ...eventRoutes,
  ...inventoryRoutes,
  ...tokenRoutes,
  ...webhookRoutes,
  ...caRoutes,
  ...secretRoutes,
  ...serviceRoutes,
};

/** What the rows with a WebSocket do on theirs. */
export const sockets: Record<
  'events' | 'session' | 'relayLink',
  (context: Context, request: Request<never>, connection: WebSocket, server: FastifyInstance) => Promise<void>
> = { events: eventsSocket, session: sessionSocket, relayLink: linkSocket };
