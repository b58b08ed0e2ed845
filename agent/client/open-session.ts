import { type Server, ServerError } from './http.ts';
import type { Inbox } from './inbox.ts';
import { openSession, type Session } from './session.ts';

/** A session whose messages are in the inbox, or undefined where only plain requests get through. */
export async function openIfPossible(server: Server, token: string, inbox: Inbox): Promise<Session | undefined> {
  try {
    return await openSession(server, token, {
      message: (message) => inbox.add(message),
      end: (error) => inbox.end(error),
    });
  } catch (error) {
    // Busy or too many is no word on WebSockets: the session is asked for again, later.
    const { status = 0, retryAfterS } = error instanceof ServerError ? error : {};
    if (status === 0 || status === 401 || status >= 500 || retryAfterS !== undefined) throw error;
    inbox.reopen();
    return undefined;
  }
}
