import { EventEmitter } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from 'ws';
import { decodeFrame, encodeFrame, frameJson, type ReplyHead } from '../../shared/relay-frame.ts';
import type { Context, Request } from '../context.ts';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { linkSocket } from './link.ts';
import { createRelayToken } from './relay-token.ts';

const { db, context } = await withIntents();
const { row, token } = await transaction(db, (tx) =>
  createRelayToken(tx, { name: 'r', site: 'ber', createdBy: 'ann' }),
);

test('what a relay begins and never ends is bounded, and what it ends is answered', async () => {
  const replies = new Map<number, number>();
  const connection = Object.assign(new EventEmitter(), {
    ...{ OPEN: 1, readyState: 1, bufferedAmount: 0, close: () => undefined, terminate: () => undefined },
    send: (bytes: Buffer) => {
      const frame = decodeFrame(bytes)!;
      if (frame.kind === 'reply') replies.set(frame.id, frameJson<ReplyHead>(frame).status);
    },
  });
  onTestFinished(() => void connection.emit('close'));
  const log = { info: () => undefined };
  const quiet = { ...context, log, feed: { subscribe: () => () => undefined } } as unknown as Context;
  const caller = { kind: 'relay', id: row.id, name: 'r', site: 'ber', token } as const;
  const request = { caller } as unknown as Request<'relayLink'>;
  await linkSocket(quiet, request, connection as unknown as WebSocket, {} as FastifyInstance);
  const say = (kind: 'request' | 'end' | 'body', id: number, payload?: object | Buffer) =>
    connection.emit('message', encodeFrame(kind, id, payload), true);
  const head = { method: 'GET', path: '/v1/nodes', headers: {}, remote: '' };
  for (let id = 1; id <= 2001; id++) say('request', id, head);
  expect([...replies]).toEqual([[2001, 503]]);
  say('end', 1);
  await expect.poll(() => replies.get(1)).toBe(404);
  // One that begins anew takes the place of what it was, bytes and all: 70 MB of one number are 7 MB.
  for (let times = 0; times < 10; times++) {
    say('request', 2, head);
    say('body', 2, Buffer.alloc(7 * 1024 * 1024));
  }
  say('end', 2);
  await expect.poll(() => replies.get(2)).toBe(404);
  say('request', 2002, head);
  say('end', 2002);
  await expect.poll(() => replies.get(2002)).toBe(404);
});
