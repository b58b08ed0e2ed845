import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import pg from 'pg';
import { preparedAs } from './prepared.ts';
import { Servers } from './servers.ts';
import { ServerAway, type WriterClient, writerClient } from './writer-client.ts';

export interface PoolOptions {
  /** One server or several (see serversOf). */
  url: string;
  /** Connections at most. */
  max: number;
  /** A query that runs longer is cancelled by the server (milliseconds). */
  statementTimeoutMs: number;
  onError: (error: Error) => void;
}

/** Whether a commit holds cannot be said: PostgreSQL's transaction_resolution_unknown. */
export class Undecided extends Error {
  readonly code = '08007';
}

/** How long a call waits for a connection of the pool, and for one server of one; of several, the next is asked sooner. */
const WAIT_MS = 10_000;
const NEXT_SERVER_MS = 3_000;
/** What a server may be silent beyond the time in which it cancels a statement by itself. */
const GRACE_MS = 5_000;

/**
 * Connections to whichever of the URL's servers takes writes. A call fails when none of them does at that time, or when its
 * connection is lost; the next call finds the new primary.
 */
export function openPool(options: PoolOptions): PostgresPool {
  const servers = new Servers(options.url);
  const pool = new pg.Pool({
    Client: writerClient(servers, {
      connectMs: servers.all.length === 1 ? WAIT_MS : NEXT_SERVER_MS,
      silenceMs: options.statementTimeoutMs + GRACE_MS,
    }),
    max: options.max,
    connectionTimeoutMillis: WAIT_MS,
    statement_timeout: options.statementTimeoutMs,
    // A daemon that stands still (SIGSTOP, a machine that was suspended) must not hold the feed's lock from the others.
    idle_in_transaction_session_timeout: options.statementTimeoutMs,
    application_name: 'machinedb',
  });
  // Without a listener an idle connection that the server ends would end the process.
  pool.on('error', options.onError);
  return {
    options: pool.options,
    connect: async () => toKysely(await firstThatTakes(servers, pool)),
    end: () => pool.end(),
  };
}

/** Asks each server once; which it is follows from those that failed. */
async function firstThatTakes(servers: Servers, pool: pg.Pool): Promise<pg.PoolClient> {
  for (let asked = 1; ; asked++) {
    try {
      return await pool.connect();
    } catch (error) {
      if (!(error instanceof ServerAway) || asked >= servers.all.length) throw error;
    }
  }
}

function toKysely(client: pg.PoolClient): PostgresPoolClient {
  function query<R>(sql: string, parameters: ReadonlyArray<unknown>): Promise<PostgresQueryResult<R>>;
  function query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  function query<R>(asked: string | PostgresCursor<R>, parameters: ReadonlyArray<unknown> = []): unknown {
    return typeof asked === 'string' ? ask(client, asked, parameters) : client.query(asked as never);
  }
  return {
    query,
    release: (destroy) =>
      client.release(destroy === true || (client as unknown as WriterClient).unreplicated || outdated.has(client)),
  };
}

/** A statement that was prepared there failed: a newer daemon may have changed what it answers, and only a new connection helps. */
const outdated = new WeakSet<pg.PoolClient>();

async function ask(client: pg.PoolClient, sql: string, parameters: ReadonlyArray<unknown>): Promise<unknown> {
  const connection = client as unknown as WriterClient;
  if (sql === 'rollback') return await rollBack(client);
  const name = preparedAs(sql);
  const asked = name === undefined ? { text: sql } : { text: sql, name };
  const result = await send(client, { ...asked, values: [...parameters] }).catch((error: Error) => {
    if (name !== undefined) outdated.add(client);
    // node-postgres has no code for these.
    if (/^Connection terminated|is not queryable$/.test(error.message))
      throw new ServerAway(error.message, { cause: error });
    throw error;
  });
  if (connection.unreplicated) {
    throw new Undecided('a commit was cut short before its standbys had it: ask whether it holds');
  }
  return result;
}

/** By a callback: rows that node-postgres answers by a promise stay until a full collection, and every small one copies them. */
async function send(client: pg.PoolClient, asked: pg.QueryConfig): Promise<pg.QueryResult> {
  const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult>();
  client.query(asked, (error, result) => {
    // There is a result or an error, though the types say that there is never none.
    if ((error as Error | null) === null || error === undefined) resolve(result);
    else reject(error);
  });
  return await promise;
}

/** A connection that is lost has rolled back: what cut it off is the error to tell. */
async function rollBack(client: pg.PoolClient): Promise<unknown> {
  try {
    return await client.query('rollback');
  } catch {
    return { command: 'ROLLBACK', rows: [], rowCount: 0 };
  }
}
