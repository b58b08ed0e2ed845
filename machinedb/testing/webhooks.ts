import type { IncomingHttpHeaders } from 'node:http';
import pino from 'pino';
import { afterAll, beforeEach, expect } from 'vitest';
import type { Operation, Reply } from '../../shared/api.ts';
import { readConfig } from '../config.ts';
import type { Context } from '../context.ts';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { append } from '../feed/feed.ts';
import { openFeedReader } from '../feed/feed-reader.ts';
import { webhookRoutes } from '../routes/webhooks.ts';
import type { RunOptions } from '../webhooks/run.ts';
import { startSender } from '../webhooks/sender.ts';
import { withIntents } from './intents.ts';
import { withReceiver } from './webhook-receiver.ts';

/** A database, a receiver, and senders as two daemons would run them; before each test there is no endpoint and no sender. */
export async function withWebhooks() {
  const { db, url, keys } = await withIntents();
  const receiver = await withReceiver();
  const log = pino({ level: 'silent' });
  const epoch = await openEpoch(db);
  const feed = openFeedReader(db, epoch, url, log);
  const config = readConfig({ MACHINEDB_WEBHOOK_ALLOW: '127.0.0.0/8' });
  const context = { db, keys, config, feed, now: Date.now } as Context;
  const base: RunOptions = {
    retriesMs: [0, 20, 40, 60],
    timeoutMs: 1000,
    leaseMs: 5000,
    allowed: config.webhookAllow,
    resolve: async () => ['127.0.0.1'],
    ca: receiver.ca,
    random: () => 0,
    now: Date.now,
  };
  const senders: { stop(): Promise<void> }[] = [];
  const start = (options: Partial<RunOptions> = {}) => {
    const reader = openFeedReader(db, epoch, url, log);
    // Sooner than once a second.
    const subscribe = (listener: () => void) => {
      const timer = setInterval(listener, 20);
      const unsubscribe = reader.subscribe(listener);
      return () => {
        clearInterval(timer);
        unsubscribe();
      };
    };
    const sender = startSender(db, keys.kek, { ...reader, subscribe }, log, { ...base, ...options });
    const stop = async () => {
      await sender.stop();
      await reader.close();
    };
    senders.push({ stop });
  };
  const stopAll = async () => {
    for (const sender of senders.splice(0)) await sender.stop();
  };
  afterAll(async () => {
    await stopAll();
    await feed.close();
  });
  beforeEach(async () => {
    await stopAll();
    await db.deleteFrom('webhook').execute();
    receiver.got.length = 0;
    receiver.behave(() => ({ status: 204 }));
  });

  async function ask<O extends Operation & keyof typeof webhookRoutes>(
    operation: O,
    webhook: string,
    body: unknown = {},
    headers: IncomingHttpHeaders = {},
    scope = 'admin',
  ): Promise<Reply<O>> {
    const caller = { kind: 'operator', name: 'ann', scopes: [scope], expiresAt: undefined, token: 't' } as const;
    const handler = webhookRoutes[operation] as unknown as (context: Context, request: unknown) => Promise<Reply<O>>;
    const input = { params: { webhook }, query: {}, body };
    const request = { operation, input, caller, headers, raw: Buffer.from('{}'), remote: '127.0.0.1' };
    return await handler(context, request);
  }
  const address = `https://receiver.test:${receiver.port}/hook?a=b`;
  const put = (name: string, body: object = {}) => ask('putWebhook', name, { url: address, ...body });
  const act = (kind: string, data: Record<string, unknown> = {}) =>
    transaction(db, (tx) => append(tx, [], [{ kind, subject: 'fleet', actor: 'ann', reason: 'why', data }]));
  const arrived = (count: number) => expect.poll(() => receiver.got.length, { timeout: 8000 }).toBe(count);
  const ns = () => receiver.got.map(({ body }) => (JSON.parse(body) as { data: { data: { n: number } } }).data.data.n);
  const state = (name: string) => ask('getWebhook', name);
  return { db, epoch, feed, receiver, start, stopAll, ask, address, put, act, arrived, ns, state };
}
