import { sql } from 'kysely';
import type { Db } from '../db.ts';
import type { FeedReader } from '../feed/feed-reader.ts';

/** The agents' sessions of this daemon, so that they hear at once when something is wanted of them. */
export interface Sessions {
  /** Registers a node's session; answers how to end that. */
  add(node: string, door: SessionDoor): () => void;
  close(): void;
}

/** How a session is reached. */
export interface SessionDoor {
  /** Whether the node was approved when the session began. */
  approved: boolean;
  push: (message: { want: ('wanted' | 'install')[] }) => void;
  /** Called when the node was approved, or is not any more: what its token opens is another thing now. */
  check: () => void;
}

interface Session extends SessionDoor {
  generation: number | undefined;
  /** The newest install that was asked for. */
  reinstall: number;
}

interface Row {
  node: string;
  generation: number;
  reinstall: number;
  approved: boolean;
  locked: boolean;
}

export function createSessions(db: Db, feed: FeedReader): Sessions {
  const sessions = new Map<string, Session>();
  let looking = false;
  /** One query for all sessions; a hint that comes while it runs is covered by the next, at most a second later. */
  const look = async () => {
    if (looking || sessions.size === 0) return;
    looking = true;
    try {
      const { rows } = await sql<Row>`
        select n.node, n.generation, node.reinstall, node.level in ('approved', 'attested') as approved,
          node.locked_at is not null as locked
        from node_now n join node on node.id = n.node where n.node = any (${[...sessions.keys()]}::uuid[])`.execute(db);
      for (const { node, generation, reinstall, approved, locked } of rows) {
        const session = sessions.get(node);
        if (session === undefined) continue;
        if (session.approved !== approved) session.check();
        session.approved = approved;
        if (!approved || locked) continue;
        const want = [
          ...(session.generation === generation ? [] : (['wanted'] as const)),
          ...(session.reinstall === reinstall ? [] : (['install'] as const)),
        ];
        const first = session.generation === undefined;
        Object.assign(session, { generation, reinstall });
        // The first look only learns where the node stands: its own heartbeat asks for what it lacks.
        if (!first && want.length > 0) session.push({ want });
      }
    } catch {
      // The database is away; the agent's next heartbeat tells it.
    } finally {
      looking = false;
    }
  };
  const unsubscribe = feed.subscribe(() => void look());
  return {
    add(node, door) {
      const session: Session = { generation: undefined, reinstall: 0, ...door };
      sessions.set(node, session);
      return () => {
        if (sessions.get(node) === session) sessions.delete(node);
      };
    },
    close: unsubscribe,
  };
}
