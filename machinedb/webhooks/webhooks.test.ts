import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { verify } from '../testing/webhook-receiver.ts';
import { withWebhooks } from '../testing/webhooks.ts';
import { RETRIES_MS } from './sender.ts';

const { db, epoch, feed, receiver, start, stopAll, ask, address, put, act, arrived, ns, state } = await withWebhooks();

test('an event arrives as a signed CloudEvent, and only what happens from then on and is of the kinds asked for', async () => {
  await act('old.news');
  const { secret, ...made } = await put('ops', { kinds: ['news.*', 'revision.intended.tags'] });
  expect(made).toMatchObject({
    name: 'ops',
    state: 'active',
    kinds: ['news.*', 'revision.intended.tags'],
    delivered: 0,
  });
  expect(await state('ops')).not.toHaveProperty('secret');
  start();
  await act('other');
  const [written] = (await act('news.good', { n: 1 })).events;
  const revision = { subject: 'role/gpu', side: 'intended', source: 'operator', actor: 'bob' } as const;
  await transaction(db, (tx) =>
    append(tx, [
      { ...revision, section: 'tags', data: { blue: true } },
      { ...revision, section: 'mode', data: { mode: 'plan' } },
    ]),
  );
  await arrived(2);
  const [event, version] = receiver.got.map(({ body }) => JSON.parse(body));
  const cursor = `${epoch}.${written!.seq}`;
  expect(event).toEqual({
    specversion: '1.0',
    id: cursor,
    source: `urn:machinedb:${epoch}`,
    type: 'machinedb.news.good',
    subject: 'fleet',
    time: written!.at.toISOString(),
    sequence: String(written!.seq),
    datacontenttype: 'application/json',
    data: { actor: 'ann', reason: 'why', data: { n: 1 } },
  });
  expect(version).toMatchObject({
    type: 'machinedb.revision.intended.tags',
    subject: 'role/gpu',
    data: { data: { blue: true } },
  });
  const [first] = receiver.got;
  expect(first!.path).toBe('/hook?a=b');
  expect(first!.headers).toMatchObject({
    host: `receiver.test:${receiver.port}`,
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'webhook-id': `msg_${cursor.replace('.', '_')}`,
  });
  for (const got of receiver.got) {
    expect(verify(secret!, got)).toBe(true);
    expect(verify(secret!, { ...got, body: `${got.body} ` })).toBe(false);
  }
  await expect.poll(async () => (await state('ops')).delivered).toBe(2);
  expect(await state('ops')).toMatchObject({ state: 'active', last_status: 204, attempts: 0 });
  // What lies in the database opens nothing.
  const kept = await db.selectFrom('secret').selectAll().where('name', '=', 'machinedb/webhook/ops').execute();
  expect(JSON.stringify(kept)).not.toContain(secret!.slice(6, 30));
});

test('what fails is tried again with the same id, later ones wait, and all arrive in their order', async () => {
  await put('ops', { kinds: ['n'] });
  const answers = ['close', { status: 500 }, 'silence', { status: 200 }] as const;
  receiver.behave((n) => answers[n] ?? { status: 204 });
  start({ timeoutMs: 200 });
  for (const n of [1, 2, 3]) await act('n', { n });
  await expect.poll(() => state('ops').then(({ attempts }) => attempts)).toBeGreaterThan(0);
  await arrived(6);
  expect(ns()).toEqual([1, 1, 1, 1, 2, 3]);
  const ids = receiver.got.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids.slice(0, 4)).size).toBe(1);
  expect(new Set(ids).size).toBe(3);
  await expect.poll(() => state('ops').then(({ delivered }) => delivered)).toBe(3);
  expect(await state('ops')).toMatchObject({ state: 'active', attempts: 0, last_status: 204 });
});

test('an endpoint that never takes it is disabled after the last attempt, says why, and goes on when resumed', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave(() => ({ status: 503 }));
  start();
  await act('n', { n: 1 });
  await expect.poll(() => state('ops').then((hook) => hook.state), { timeout: 8000 }).toBe('disabled');
  expect(receiver.got).toHaveLength(4);
  expect(await state('ops')).toMatchObject({ attempts: 4, last_status: 503, last_error: 'the receiver answered 503' });
  const { items } = await feed.read(undefined, 1000);
  expect(items.filter(({ kind }) => kind === 'webhook.disabled').at(-1)).toMatchObject({
    subject: 'webhook/ops',
    reason: 'the receiver answered 503, 4 times: machinedb webhook resume ops goes on with the message that is next',
  });
  receiver.behave(() => ({ status: 204 }));
  await act('n', { n: 2 });
  await ask('resumeWebhook', 'ops', { reason: 'mended' });
  await arrived(6);
  expect(ns().slice(4)).toEqual([1, 2]);
});

test('410 disables at once, and a redirect is not followed', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave((n) => (n === 0 ? { status: 302, location: `${address}&followed` } : { status: 410 }));
  start();
  await act('n', { n: 1 });
  await expect.poll(() => state('ops').then((hook) => hook.last_error)).toMatch(/302: redirects are not followed/);
  await expect.poll(() => state('ops').then((hook) => hook.state)).toBe('disabled');
  expect(receiver.got.map(({ path }) => path)).toEqual(['/hook?a=b', '/hook?a=b']);
  await act('n', { n: 2 });
  await ask('resumeWebhook', 'ops', { skip: true, reason: 'anew' });
  receiver.behave(() => ({ status: 204 }));
  await act('n', { n: 3 });
  await arrived(3);
  expect(ns()[2]).toBe(3);
});

test('105 two daemons send each message once, and one that stands still gives it up', async () => {
  await put('ops', { kinds: ['n'] });
  // A daemon that was stopped in the middle (105: SIGSTOP) still holds the endpoint.
  const lease = { lease: randomUUID(), lease_until: new Date(Date.now() + 60_000) };
  await db.updateTable('webhook').set(lease).execute();
  start();
  start();
  for (let n = 0; n < 40; n++) await act('n', { n });
  expect(receiver.got).toHaveLength(0);
  await db.updateTable('webhook').set({ lease_until: new Date() }).execute();
  await arrived(40);
  expect(ns()).toEqual(Array.from({ length: 40 }, (_, n) => n));
  // It comes back: what it writes down under its old lease changes nothing.
  const before = await state('ops');
  const late = await db.updateTable('webhook').set({ cursor: 0 }).where('lease', '=', lease.lease).executeTakeFirst();
  expect(late.numUpdatedRows).toBe(0n);
  expect(await state('ops')).toEqual(before);
});

test('a secret that is rotated signs beside the one before, for a day', async () => {
  const given = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  expect(await put('ops', { kinds: ['n'], secret: given })).not.toHaveProperty('secret');
  await expect(put('bad', { secret: 'whsec_abc' })).rejects.toThrow(
    'the secret is not whsec_ and base64 of 24 to 64 bytes',
  );
  const { secret } = await ask('rotateWebhook', 'ops', { reason: 'a year is over' });
  start();
  await act('n', { n: 1 });
  await arrived(1);
  expect([given, secret!].map((each) => verify(each, receiver.got[0]!))).toEqual([true, true]);
  await stopAll();
  await db
    .updateTable('secret')
    .set({ created_at: new Date(Date.now() - 86_500_000) })
    .execute();
  start();
  await act('n', { n: 2 });
  await arrived(2);
  expect([given, secret!].map((each) => verify(each, receiver.got[1]!))).toEqual([false, true]);
});

test('93 a name that means a closed address is not connected to, and what was judged is what is connected to', async () => {
  await put('ops', { kinds: ['n'] });
  let asked = 0;
  // Rebinding: an honest answer first, loopback for whoever asks again.
  start({ allowed: [], resolve: async () => (asked++ === 0 ? ['192.0.2.1'] : ['127.0.0.1']), retriesMs: [0, 20] });
  await act('n', { n: 1 });
  await expect.poll(() => state('ops').then((hook) => hook.state)).toBe('disabled');
  expect(receiver.got).toHaveLength(0);
  expect(await state('ops')).toMatchObject({
    last_error: expect.stringContaining('receiver.test is 127.0.0.1, where nothing is sent'),
  });
  expect(asked).toBe(2);
  const open = readConfig({}).webhookAllow;
  expect(open).toEqual([]);
  await expect(put('a', { url: 'https://169.254.169.254/' })).rejects.toThrow('nothing is sent to 169.254.169.254');
  await expect(put('a', { url: 'http://example.org/' })).rejects.toThrow('is not https: messages go over TLS only');
  await expect(put('a', { url: 'https://u:p@example.org/' })).rejects.toThrow('the URL has a name or password');
});

test('who may not write webhooks sees scheme and host of a URL only, and so does the feed', async () => {
  const origin = `https://receiver.test:${receiver.port}`;
  expect((await put('ops')).url).toBe(address);
  for (const [scope, url] of [
    ['admin', address],
    ['read', origin],
    ['write', origin],
  ] as const) {
    expect((await ask('getWebhook', 'ops', {}, {}, scope)).url).toBe(url);
    expect((await ask('listWebhooks', 'ops', {}, {}, scope)).items).toMatchObject([{ name: 'ops', url }]);
  }
  const events = await db.selectFrom('event').select('data').where('subject', '=', 'webhook/ops').execute();
  expect(events.at(-1)).toEqual({ data: { url: origin, kinds: ['*'] } });
});

test('a big item is told of with the place where it can be read, in less than 20 kB', async () => {
  await put('ops', { kinds: ['n'] });
  start();
  await act('n', { n: 1, text: 'ü'.repeat(30_000) });
  await arrived(1);
  const { body } = receiver.got[0]!;
  expect(Buffer.byteLength(body)).toBeLessThan(20_000);
  const { dataref, data } = JSON.parse(body);
  expect(data).toMatchObject({ actor: 'ann', truncated: true });
  const cursor = new URL(dataref, 'https://x').searchParams.get('cursor')!;
  const { items } = await feed.read(cursor, 1);
  expect(items[0]).toMatchObject({ kind: 'n', data: { n: 1 } });
});

test('a restored copy of the database sends nothing until a person says so', async () => {
  await put('ops', { kinds: ['n'] });
  await db.updateTable('webhook').set({ epoch: '00000000' }).execute();
  start();
  await act('n', { n: 1 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([receiver.got.length, (await state('ops')).state]).toEqual([0, 'paused']);
  await ask('resumeWebhook', 'ops', { reason: 'it is the original now' });
  await arrived(1);
});

test('the times between attempts are those of Standard Webhooks', () => {
  expect(RETRIES_MS.map((ms) => ms / 1000)).toEqual([0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
});
