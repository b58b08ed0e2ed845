import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { OperatorScope } from '../shared/api/row.ts';
import type { Input, Operation, Reply } from '../shared/api.ts';
import type { Config } from './config.ts';
import type { Db } from './db.ts';
import type { Enrolments } from './enrol/enrolments.ts';
import type { FeedReader } from './feed/feed-reader.ts';
import type { PciNames } from './nodes/pci-names.ts';
import type { Heartbeats } from './reports/heartbeats.ts';
import type { Reports } from './reports/reports.ts';
import type { Sessions } from './reports/sessions.ts';
import type { Keys } from './trust/keys.ts';
import type { Metrics } from './watch/metrics.ts';

/** What one daemon has while it runs. Nothing in it is state that another daemon would miss. */
export interface Context {
  config: Config;
  db: Db;
  log: Logger;
  /** Keys out of the database's secrets, opened with the key-encryption key. */
  keys: Keys;
  /** Collects heartbeats and reports of concurrent requests into one transaction. */
  heartbeats: Heartbeats;
  reports: Reports;
  /** Does the same for machines that nobody has seen. */
  enrolments: Enrolments;
  feed: FeedReader;
  sessions: Sessions;
  metrics: Metrics;
  /** Names of PCI ids. */
  pciNames: () => Promise<PciNames>;
  /** This daemon's clock, milliseconds since 1970. PostgreSQL's clock decides whatever two daemons must agree on. */
  now: () => number;
}

export type Caller =
  | { kind: 'public' }
  | { kind: 'operator'; name: string; scopes: readonly OperatorScope[]; expiresAt: number | undefined; token: string }
  | { kind: 'relay'; id: string; name: string; site: string; token: string }
  | {
      kind: 'node';
      node: string;
      level: 'claimed' | 'approved' | 'attested' | 'rescue';
      fingerprint: string;
      expiresAt: number;
    };

export interface Request<O extends Operation> {
  operation: O;
  input: Input<O>;
  caller: Caller;
  headers: IncomingHttpHeaders;
  /** The body's bytes as they came: what a node's signature is over. */
  raw: Buffer;
  /** Address of the peer of the connection. */
  remote: string;
}

/** What a handler may say besides its reply. */
export interface Extra {
  etag?: string;
  /** Media type of a text reply or a file. */
  type?: string;
  /** A file to send instead of the reply. */
  file?: { stream: Readable; size: number };
}

export type Handler<O extends Operation> = (context: Context, request: Request<O>, extra: Extra) => Promise<Reply<O>>;
export type Handlers<O extends Operation = Operation> = { [K in O]: Handler<K> };

/** Name of who asks, for the audit trail. */
export function actor(caller: Caller): string {
  if (caller.kind === 'operator') return caller.name;
  if (caller.kind === 'relay') return `relay/${caller.name}`;
  return caller.kind === 'node' ? `node/${caller.node}` : 'public';
}
