import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { servePxe } from './boot/serve-pxe.ts';
import { takePlace } from './cabling/take-place.ts';
import type { Config } from './config.ts';
import type { Context } from './context.ts';
import { openDb } from './db.ts';
import { createEnrolments } from './enrol/enrolments.ts';
import { openEpoch } from './feed/epoch.ts';
import { openFeedReader } from './feed/feed-reader.ts';
import { buildServer } from './http/server.ts';
import { migrate } from './migrate.ts';
import { pciNamesFrom } from './nodes/pci-names.ts';
import { createHeartbeats } from './reports/heartbeats.ts';
import { createReports } from './reports/reports.ts';
import { createSessions } from './reports/sessions.ts';
import { openKeys } from './trust/keys.ts';
import { ensureOperatorToken } from './trust/operator-token.ts';
import { openServerTls } from './trust/server-tls.ts';
import { createMetrics } from './watch/metrics.ts';
import { startTasks } from './watch/tasks.ts';
import { systemResolve } from './webhooks/address.ts';
import { LEASE_MS, RETRIES_MS, startSender, TIMEOUT_MS } from './webhooks/sender.ts';

export interface DaemonOptions {
  config: Config;
  databaseUrl: string;
  /** Opened by openState(). */
  stateDirectory: string;
  log: Logger;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Uniform in [0, 1). */
  random?: () => number;
}

export interface Daemon {
  url: string;
  /** Pins of the valid certificate authorities, for agents. */
  pins: string[];
  context: Context;
  /** Ends connections, finishes what was accepted, lets the database go. */
  close(): Promise<void>;
}

/** Starts one daemon on a database that is there. Throws when it cannot work, naming the cause and the way out. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, databaseUrl, stateDirectory, log, now = Date.now, random = Math.random } = options;
  const db = openDb({
    url: databaseUrl,
    max: config.dbConnections,
    statementTimeoutMs: config.statementTimeoutMs,
    onError: (error) => log.warn({ cause: error.message }, 'a database connection ended'),
  });
  const cleanUp: (() => Promise<unknown> | unknown)[] = [() => db.destroy()];
  const close = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  };
  try {
    await migrate(db);
    const epoch = await openEpoch(db);
    const keys = await openKeys(db, config.kekFile ?? join(stateDirectory, 'kek'), now);
    cleanUp.push(() => keys.close());
    await ensureOperatorToken(db, stateDirectory);
    const metrics = createMetrics();
    cleanUp.push(() => metrics.close());
    const heartbeats = createHeartbeats(db, { intervalMs: config.heartbeatMs, random, metrics });
    cleanUp.push(() => heartbeats.close());
    const reports = createReports(db, keys, metrics);
    cleanUp.push(() => reports.close());
    const enrolments = createEnrolments(db, keys, config.pendingPerSource);
    cleanUp.push(() => enrolments.close());
    const feed = openFeedReader(db, epoch, databaseUrl, log);
    cleanUp.push(() => feed.close());
    const sessions = createSessions(db, feed);
    cleanUp.push(() => sessions.close());
    const sender = startSender(db, keys.kek, feed, log, {
      ...{ retriesMs: RETRIES_MS, timeoutMs: TIMEOUT_MS, leaseMs: LEASE_MS, allowed: config.webhookAllow },
      ...{ resolve: systemResolve, random, now },
    });
    cleanUp.push(() => sender.stop());
    const tasks = startTasks(db, config, log, random, [{ name: 'places', run: (tx) => takePlace(tx, keys) }]);
    cleanUp.push(() => tasks.stop());
    const pciNames = pciNamesFrom(config.pciIds);
    const batches = { heartbeats, reports, enrolments };
    const context: Context = { config, db, log, keys, ...batches, feed, sessions, metrics, pciNames, now };
    const { url, stop } = await listen(context, stateDirectory);
    cleanUp.push(stop);
    const pxe = await servePxe(context, stateDirectory, url);
    if (pxe !== undefined) cleanUp.push(() => pxe.close());
    return { url, pins: keys.trust().pins, context, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(context: Context, stateDirectory: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const { config, keys, log, now } = context;
  let server: FastifyInstance | undefined;
  const tls = await openServerTls({
    keys,
    names: serverNames(config.host),
    stateDirectory,
    now,
    onChange: (certificate) => {
      if (config.tls)
        (server?.server as TlsServer | undefined)?.setSecureContext({ ...certificate, minVersion: 'TLSv1.3' });
    },
    onError: (error) => log.error({ err: error }, 'the server certificate could not be renewed'),
  });
  server = await buildServer(context, config.tls ? tls.certificate : undefined);
  await server.listen({ host: config.host, port: config.port }).catch(async (error: NodeJS.ErrnoException) => {
    await tls.close();
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(
      `${config.host}:${config.port} is taken by another program: set MACHINEDB_LISTEN to another HOST:PORT`,
    );
  });
  const { port } = server.server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `${config.tls ? 'https' : 'http'}://${host}:${port}`,
    stop: async () => {
      await tls.close();
      for (const connection of server.websocketServer.clients) connection.close(1001, 'the daemon stops; come again');
      await server.close();
    },
  };
}

function serverNames(host: string): string[] {
  return /^(0\.0\.0\.0|::)$/.test(host) ? [hostname()] : [hostname(), host];
}
