import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import type { Context, Handlers, Request } from '../context.ts';
import { linkSocket } from '../relays/link.ts';
import { acknowledgementRoutes } from './acknowledgements.ts';
import { approvalRoutes } from './approval.ts';
import { assignRoutes } from './assign.ts';
import { bulkRoutes } from './bulk.ts';
import { caRoutes } from './ca.ts';
import { cablingRoutes } from './cabling.ts';
import { checkRoutes } from './check.ts';
import { enrolRoutes } from './enrol.ts';
import { eventRoutes, eventsSocket } from './events.ts';
import { findingRoutes } from './findings.ts';
import { groupRoutes } from './groups.ts';
import { historyRoutes } from './history.ts';
import { identityRoutes } from './identity.ts';
import { installRoutes } from './install.ts';
import { intentRoutes } from './intent.ts';
import { inventoryRoutes } from './inventory.ts';
import { nodeReads } from './nodes.ts';
import { partRoutes } from './parts.ts';
import { placeRoutes } from './places.ts';
import { profileRoutes } from './profiles.ts';
import { relayRoutes } from './relays.ts';
import { rescueRoutes } from './rescue.ts';
import { revertRoutes } from './revert.ts';
import { rolloutRoutes } from './rollouts.ts';
import { secretRoutes } from './secrets.ts';
import { seedRoutes } from './seed.ts';
import { selfRoutes, sessionSocket } from './self.ts';
import { serviceRoutes } from './service.ts';
import { siblingRoutes } from './siblings.ts';
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
  ...bulkRoutes,
  ...groupRoutes,
  ...placeRoutes,
  ...cablingRoutes,
  ...findingRoutes,
  ...profileRoutes,
  ...acknowledgementRoutes,
  ...checkRoutes,
  ...siblingRoutes,
  ...enrolRoutes,
  ...identityRoutes,
  ...partRoutes,
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
