import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { withWebhooks } from '../testing/webhooks.ts';

const { db, feed, receiver, start, ask, put, act, arrived, ns, state } = await withWebhooks();
const row = (name = 'ops') => db.selectFrom('webhook').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
const settled = (name = 'ops') =>
  expect.poll(() => state(name).then(({ tried_at }) => tried_at), { timeout: 8000 }).toBeDefined();

test('an attempt that is not answered ends in its time, and its connection with it', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave(() => 'silence');
  start({ timeoutMs: 200, retriesMs: [0, 60_000] });
  await act('n');
  await arrived(1);
  const begun = performance.now();
  await settled();
  expect(performance.now() - begun).toBeLessThan(1500);
  expect(await state('ops')).toMatchObject({ attempts: 1, last_error: 'no answer within 0.2 s' });
  await expect.poll(receiver.open, { timeout: 8000 }).toBe(0);
});

test('an answer without end is read no further than is needed', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave(() => 'endless');
  start({ timeoutMs: 4000 });
  await act('n');
  await settled();
  expect(await state('ops')).toMatchObject({ delivered: 1, last_status: 200 });
  await expect.poll(receiver.open, { timeout: 8000 }).toBe(0);
});

test('the certificate has to be of the name in the URL', async () => {
  await put('ops', { kinds: ['n'], url: `https://other.test:${receiver.port}/` });
  start({ retriesMs: [0, 60_000] });
  await act('n');
  await settled();
  expect((await state('ops')).last_error).toContain("Host: other.test. is not in the cert's altnames");
  expect(receiver.got).toHaveLength(0);
});

test('attempts are a little apart from each other at each endpoint, and a resumed one has all of them again', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave(() => ({ status: 500 }));
  start({ retriesMs: [0, 100_000], random: () => 0.5 });
  await act('n');
  await settled();
  const { attempts, next_at, tried_at } = await state('ops');
  expect(attempts).toBe(1);
  const pause = Date.parse(next_at!) - Date.parse(tried_at!);
  expect(Math.round(pause / 1000)).toBe(105);
  expect(await ask('resumeWebhook', 'ops', { reason: 'mended' })).toMatchObject({ state: 'active', attempts: 0 });
  await arrived(2);
  await expect.poll(() => state('ops').then((hook) => hook.attempts)).toBe(1);
  receiver.behave(() => ({ status: 204 }));
  await ask('resumeWebhook', 'ops', { reason: 'mended' });
  await expect.poll(() => state('ops').then(({ delivered }) => delivered)).toBe(1);
  expect(await state('ops')).not.toHaveProperty('next_at', expect.anything());
});

test.each([204, 410])(
  '105 a daemon that lost the endpoint while it sent writes nothing down of it: %i',
  async (status) => {
    await put('ops', { kinds: ['n'] });
    const held = Promise.withResolvers<void>();
    receiver.behave(() => ({ status, after: held.promise }));
    start();
    await act('n');
    await arrived(1);
    // It stood still for longer than its lease, and another daemon has the endpoint.
    const lease = { lease: randomUUID(), lease_until: new Date(Date.now() + 60_000) };
    await db.updateTable('webhook').set(lease).execute();
    const before = await row();
    held.resolve();
    await expect.poll(receiver.open, { timeout: 8000 }).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await row()).toEqual(before);
  },
);

test('a daemon that is busy with an endpoint for long keeps it', async () => {
  await put('ops', { kinds: ['n'] });
  receiver.behave(() => ({ status: 204, after: new Promise((resolve) => setTimeout(resolve, 300)) }));
  start({ leaseMs: 800 });
  start({ leaseMs: 800 });
  for (const n of [0, 1, 2, 3]) await act('n', { n });
  await expect.poll(() => state('ops').then(({ delivered }) => delivered), { timeout: 8000 }).toBe(4);
  expect(ns()).toEqual([0, 1, 2, 3]);
});

test('a daemon sends to 16 endpoints at once, and to the next when one is done', async () => {
  const held = Promise.withResolvers<void>();
  receiver.behave((n) => ({ status: 204, ...(n < 16 ? { after: held.promise } : {}) }));
  for (let i = 0; i < 17; i++) await put(`w${i}`, { kinds: ['n'] });
  start({ timeoutMs: 8000 });
  await act('n');
  await arrived(16);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(receiver.got).toHaveLength(16);
  held.resolve();
  await arrived(17);
});

test('what is of other kinds is passed by', async () => {
  await put('ops', { kinds: ['n_w'] });
  const { cursor } = await row();
  start();
  const other = { kind: 'now', subject: 'fleet', actor: 'ann' };
  await transaction(db, (tx) =>
    append(
      tx,
      [],
      Array.from({ length: 1001 }, () => other),
    ),
  );
  await expect.poll(() => row().then((hook) => hook.cursor), { timeout: 4000 }).toBe(cursor + 1001);
  await act('n_w', { n: 1 });
  await arrived(1);
  expect(ns()).toEqual([1]);
});

test('events and revisions come in the one order of the feed', async () => {
  await put('ops', { kinds: ['n', 'revision.intended.tags'] });
  for (const n of [1, 3]) {
    await act('n', { n });
    const revision = { subject: 'role/gpu', side: 'intended', source: 'operator', actor: 'bob' } as const;
    await transaction(db, (tx) => append(tx, [{ ...revision, section: 'tags', data: { n: n + 1 } }]));
  }
  start();
  await arrived(4);
  expect(ns()).toEqual([1, 2, 3, 4]);
});

test('114 a secret is answered once: it is kept in no reply, goes with its endpoint, and two of them sign at most', async () => {
  const key = { 'idempotency-key': '"w1"' };
  const { secret } = await ask(
    'putWebhook',
    'ops',
    { url: `https://receiver.test:${receiver.port}/`, kinds: ['n'] },
    key,
  );
  expect(await ask('rotateWebhook', 'ops', { reason: 'r' }, { 'idempotency-key': '"w2"' })).toHaveProperty('secret');
  await ask('rotateWebhook', 'ops', { reason: 'r' });
  expect(await db.selectFrom('idempotency').selectAll().execute()).toEqual([]);
  const { items } = await feed.read(undefined, 1000);
  expect(JSON.stringify(items)).not.toContain(secret);
  start();
  await act('n');
  await arrived(1);
  expect(String(receiver.got[0]!.headers['webhook-signature']).split(' ')).toHaveLength(2);
  const kept = () => db.selectFrom('secret').select('name').where('name', '=', 'machinedb/webhook/ops').execute();
  expect(await kept()).not.toEqual([]);
  await ask('deleteWebhook', 'ops');
  expect(await kept()).toEqual([]);
});
