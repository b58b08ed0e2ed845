import { Socket } from 'node:net';
import pg from 'pg';
import type { Server, Servers } from './servers.ts';

/** A database server that cannot be used now. Its code is PostgreSQL's connection_failure. */
export class ServerAway extends Error {
  readonly code = '08006';
}

export interface WriterOptions {
  /** How long one server may take to let a connection in (milliseconds). */
  connectMs: number;
  /** A server that owes an answer and sends nothing for so long is given up (milliseconds). */
  silenceMs: number;
}

/** A connection to a server that takes writes. */
export interface WriterClient extends pg.Client {
  /** A commit was made here that its synchronous standbys may not have. */
  readonly unreplicated: boolean;
}

/** Dead peers are noticed 10 s after they fell silent: Node asks every second from then on, ten times. */
const KEEP_ALIVE_MS = 10_000;

/**
 * node-postgres' client, for a URL that may name several servers: it connects to the one that was good last, and refuses a
 * server that takes no writes (a standby, a primary that was demoted). One that fails makes the next client try the next.
 */
export function writerClient(servers: Servers, options: WriterOptions): new (config?: pg.ClientConfig) => WriterClient {
  return class extends pg.Client {
    readonly #server: Server;
    unreplicated = false;

    constructor(config: pg.ClientConfig = {}) {
      const server = servers.current;
      const stream = () => socketFor(options.silenceMs, () => this.#owes());
      super({ ...config, stream, connectionString: server.url, connectionTimeoutMillis: options.connectMs });
      this.#server = server;
      // What waits for an answer is told by its own failure; without a listener a lost connection would end the process.
      this.on('error', () => undefined);
      // The text depends on the server's language, the routine does not: a wait for standbys was cut short, and the commit counts.
      this.on('notice', ({ routine }) => {
        if (routine === 'SyncRepWaitForLSN') this.unreplicated = true;
      });
    }

    override connect(): Promise<this>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<this> | undefined {
      const reached = this.#reach();
      if (callback === undefined) return reached;
      reached.then(() => (callback as () => void)(), callback);
      return undefined;
    }

    async #reach(): Promise<this> {
      try {
        await super.connect();
        const { rows } = await this.query<{ refuses: boolean }>(
          `select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as refuses`,
        );
        if (rows[0]!.refuses)
          throw new ServerAway(`database server ${this.#server.name} takes no writes: it is a standby, or read-only`);
        return this;
      } catch (error) {
        servers.leave(this.#server);
        void this.end().catch(() => undefined);
        throw told(this.#server, error);
      }
    }

    #owes(): boolean {
      const { _activeQuery } = this as unknown as { _activeQuery?: unknown };
      return _activeQuery !== undefined && _activeQuery !== null;
    }
  };
}

// A wrong password or name of a database is the same on every server, and is told as it is.
function told(server: Server, error: unknown): unknown {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof ServerAway || /^(28|3D)/.test(code)) return error;
  return new ServerAway(`database server ${server.name} does not answer: ${message || code}`, { cause: error });
}

/** A machine that lost power answers nothing, and TCP would wait a quarter of an hour for it. */
function socketFor(silenceMs: number, owes: () => boolean): Socket {
  const socket = new Socket();
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setTimeout(silenceMs, () => {
    if (owes()) socket.destroy(new ServerAway(`the database server has been silent for ${silenceMs} ms`));
  });
  return socket;
}
