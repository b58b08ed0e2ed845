import type { WebSocket } from 'ws';
import type { Context, Handlers, Request } from '../context.ts';
import { followFeed } from '../feed/follow.ts';
import { stillValid } from '../http/auth.ts';

/** What a WebSocket does to its connection. */
export type Socket = (context: Context, request: Request<'events'>, connection: WebSocket) => Promise<void>;

export const eventRoutes = {
  events: async ({ feed }: Context, { input: { query } }) => {
    const { items, cursor, more } = await feed.read(query.cursor, query.limit ?? 100);
    return { items, cursor, ...(more ? { next: cursor } : {}) };
  },
} satisfies Partial<Handlers>;

export const eventsSocket: Socket = async (context, request, connection) => {
  await followFeed(context.feed, connection, {
    from: request.input.query.cursor,
    stillValid: () => stillValid(context, request.caller),
  });
};
