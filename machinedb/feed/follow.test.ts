import { on, once } from 'node:events';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { transaction } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { openEpoch } from './epoch.ts';
import { append } from './feed.ts';
import { openFeedReader } from './feed-reader.ts';
import { type FollowOptions, followFeed } from './follow.ts';

const { db, url } = await withDatabase();
const [epoch, same] = await Promise.all([openEpoch(db), openEpoch(db)]);
const feed = openFeedReader(db, epoch, url, pino({ level: 'silent' }));
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
await once(server, 'listening');
let options: FollowOptions = { from: undefined, stillValid: async () => true };
server.on('connection', (connection) => {
  followFeed(feed, connection, options).catch((error) => connection.close(4410, error.message.slice(0, 120)));
});
afterAll(async () => {
  for (const client of server.clients) client.terminate();
  server.close();
  await feed.close();
});

const act = (i: number, text = '') =>
  transaction(db, (tx) => append(tx, [], [{ kind: 'k', subject: 'fleet', actor: 'a', data: { i, text } }]));

function follow(more: Partial<FollowOptions>, client?: ClientOptions) {
  options = { from: undefined, stillValid: async () => true, ...more };
  const { port } = server.address() as { port: number };
  return new WebSocket(`ws://127.0.0.1:${port}`, client);
}

async function take(socket: WebSocket, count: number): Promise<{ cursor: string; data: { i: number } }[]> {
  const items: { cursor: string; data: { i: number } }[] = [];
  for await (const [message] of on(socket, 'message')) {
    items.push(JSON.parse(String(message)));
    if (items.length === count) break;
  }
  return items;
}

test('two daemons that start at once share an epoch; another origin starts another', async () => {
  expect(same).toBe(epoch);
  await db.updateTable('fleet').set({ origin: 'elsewhere' }).execute();
  const next = await openEpoch(db);
  expect(next).not.toBe(epoch);
  expect(await openEpoch(db)).toBe(next);
});

test('87 a reader that was cut off goes on without gap or repeat', async () => {
  for (let i = 1; i <= 5; i++) await act(i);
  const first = follow({ page: 2 });
  const begun = await take(first, 3);
  first.terminate();
  const second = follow({ page: 2, from: begun.at(-1)!.cursor });
  const going = take(second, 4);
  await act(6);
  await act(7);
  expect([...begun, ...(await going)].map(({ data }) => data.i)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  second.terminate();
});

test('84 a cursor of another history or of the future is gone', async () => {
  await expect(feed.read('00000000.1', 10)).rejects.toMatchObject({
    code: 'gone',
    message: 'the cursor 00000000.1 is of another history (the database was restored): start anew without a cursor',
  });
  await expect(feed.read(`${epoch}.999`, 10)).rejects.toMatchObject({ code: 'gone' });
  await expect(feed.read('x', 10)).rejects.toMatchObject({ code: 'cursor_invalid' });
  const [code] = await once(follow({ from: `${epoch}.999` }), 'close');
  expect(code).toBe(4410);
});

test('85 a revoked credential ends the stream', async () => {
  const [code, reason] = await once(follow({ stillValid: async () => false, checkMs: 50 }), 'close');
  expect([code, String(reason)]).toEqual([1008, 'the credential is no longer valid']);
});

test('83 a reader that takes nothing is sent away with one page in memory, and goes on from its last item', async () => {
  const from = await feed.latest();
  for (let i = 0; i < 40; i++) await act(i, 'x'.repeat(1_000_000));
  const page = await feed.read(from, 40);
  expect([page.items.length, page.more]).toEqual([4, true]);

  const socket = follow({ from, stallMs: 500 });
  const got: { cursor: string; data: { i: number } }[] = [];
  socket.on('message', (message) => got.push(JSON.parse(String(message))));
  await once(socket, 'open');
  socket.pause();
  const [connection] = [...server.clients].slice(-1);
  await once(connection!, 'close');
  expect(connection!.bufferedAmount).toBeLessThan(5_000_000);
  socket.resume();
  await once(socket, 'close');
  const second = follow({ from: got.at(-1)?.cursor ?? from });
  const rest = await take(second, 40 - got.length);
  expect([...got, ...rest].map(({ data }) => data.i)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  second.terminate();
});

test('a reader that takes its time, but takes, stays', async () => {
  const from = `${epoch}.${Number((await feed.latest()).split('.')[1]) - 40}`;
  // Far above the pauses: on a busy machine these last longer than asked.
  const socket = follow({ from, stallMs: 5_000, pingMs: 2_500 });
  const pausing = setInterval(() => {
    socket.pause();
    setTimeout(() => socket.resume(), 150);
  }, 200);
  expect(await take(socket, 40)).toHaveLength(40);
  clearInterval(pausing);
  socket.terminate();
});

test('a peer that answers no ping is gone', async () => {
  const [code] = await once(follow({ pingMs: 50 }, { autoPong: false }), 'close');
  expect(code).toBe(1006);
});
