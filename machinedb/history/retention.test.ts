import { sql } from 'kysely';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { policyNodesAt } from '../drift/policy-nodes.ts';
import { openEpoch } from '../feed/epoch.ts';
import { append, type NewRevision } from '../feed/feed.ts';
import { openFeedReader } from '../feed/feed-reader.ts';
import { findingsAt } from '../nodes/findings-at.ts';
import { listNodes } from '../nodes/node-list.ts';
import { sectionsAt } from '../nodes/sections-at.ts';
import { viewRack } from '../places/rack-view.ts';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { lastChanges } from './last-change.ts';
import { dropOld } from './retention.ts';

const { db, url } = await withDatabase();
const epoch = await openEpoch(db);
const feed = openFeedReader(db, epoch, url, pino({ level: 'silent' }));
afterAll(() => feed.close());
const id = '00000000-0000-4000-8000-000000000001';
const subject = `node/${id}`;

const write = (side: NewRevision['side'], section: string, data: unknown) =>
  transaction(db, (tx) => append(tx, [{ subject, side, source: 'agent', section, data, actor: 'test' }]));
const keep = (side: string, section: string, days: number) =>
  sql`insert into retention (side, section, keep_days) values (${side}, ${section}, ${days})`.execute(db);
const run = (batch?: number) => transaction(db, (tx) => dropOld(tx, batch));
const counts = async () => {
  const { rows } = await sql<{ what: string; n: number }>`
    select side || ' ' || section as what, count(*) as n from revision where section <> 'state' group by 1
    union all select 'events', count(*) from event order by 1`.execute(db);
  return Object.fromEntries(rows.map(({ what, n }) => [what, n]));
};
/** Moves all that there is so many days into the past. */
const age = async (days: number) => {
  const by = sql`make_interval(days => ${days}::int)`;
  await sql`update revision set at = at - ${by}, valid = tstzrange(lower(valid) - ${by}, upper(valid) - ${by})`.execute(
    db,
  );
  await sql`update event set at = at - ${by}`.execute(db);
};
const day = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

test('closed revisions go when their days are over; open ones, events and intended ones stay; twice is as once', async () => {
  await putNode(db, id, { observed: { system: { serial: 'S1' } } });
  for (let i = 1; i <= 5; i++) {
    for (const section of ['lldp', 'os']) await write('observed', section, { i });
    await write('intended', 'tags', { [`t${i}`]: true });
    await transaction(db, (tx) => append(tx, [], [{ kind: 'k', subject: 'fleet', actor: 'a' }]));
  }
  await age(40);
  const old = await feed.read(undefined, 1000);
  await write('observed', 'lldp', { i: 6 });
  await write('observed', 'lldp', { i: 7 });
  await run();
  const all = {
    'derived wanted': 1,
    events: 5,
    'intended tags': 5,
    'observed lldp': 7,
    'observed os': 5,
    'observed system': 1,
  };
  expect(await counts()).toEqual(all);

  await keep('observed', 'lldp', 30);
  // A run drops no more than its batch, the oldest first; what it left the next one drops.
  await run(3);
  expect(await counts()).toEqual({ ...all, 'observed lldp': 4 });
  await run();
  await run();
  // The fifth was in force until just now.
  expect(await counts()).toEqual({ ...all, 'observed lldp': 3 });
  await keep('observed', 'default', 30);
  await keep('intended', 'tags', 30);
  await run();
  expect(await counts()).toEqual({ ...all, 'observed lldp': 3, 'observed os': 1, 'intended tags': 1 });

  // From before what was dropped there is an error, and no wrong answer; what is not made of it is answered.
  await expect(sectionsAt(db, id, 'observed', day(41))).rejects.toMatchObject({
    code: 'gone',
    message: expect.stringMatching(
      /^what was observed of (lldp|os) is kept from .* on, and .* is before: ask for a later time/,
    ),
  });
  await expect(sectionsAt(db, id, 'intended', day(41))).rejects.toMatchObject({ code: 'gone' });
  expect((await sectionsAt(db, id, 'observed', day(39))).lldp).toEqual({ i: 5 });
  expect((await listNodes(db, { as_of: day(39) })).items).toHaveLength(1);
  expect((await listNodes(db, { as_of: day(41) })).items).toEqual([]);
  const [change] = await lastChanges(db, [{ subject, side: 'observed', section: 'os', path: ['i'] }], undefined);
  expect(change).toMatchObject({ value: 5, older: true });

  // 84: a reader that was away for so long is told; one that begins anew gets all that is kept, page by page.
  const early = old.items[2]!.cursor;
  await expect(feed.read(early, 10)).rejects.toMatchObject({
    code: 'gone',
    message: expect.stringContaining('revisions up to there were dropped (machinedb retention list)'),
  });
  expect((await feed.read(old.cursor, 10)).items).toHaveLength(2);
  const seen: string[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await feed.read(cursor, 2);
    seen.push(...page.items.map((item) => item.cursor.replace('~', '')));
    cursor = page.cursor;
    if (!page.more) break;
  }
  const { rows } = await sql<{ seq: number }>`
    select seq from revision union all select seq from event order by seq`.execute(db);
  expect(seen).toEqual(rows.map(({ seq }) => `${epoch}.${seq}`));
  expect(cursor).toBe(await feed.latest());
});

test('findings of the past go, too, when that is asked for', async () => {
  await putNode(db, id, { observed: {}, wanted: { time: { timezone: 'UTC' } } });
  await putNode(db, id, { observed: {}, wanted: {} });
  const past = () =>
    sql<{ n: number }>`select count(*) as n from finding_past`.execute(db).then(({ rows }) => rows[0]!.n);
  expect(await past()).toBe(1);
  await sql`update finding_past set valid = tstzrange(lower(valid) - interval '9 days', upper(valid) - interval '9 days')`.execute(
    db,
  );
  await run();
  expect(await past()).toBe(1);
  await keep('derived', 'findings', 5);
  await run();
  expect(await past()).toBe(0);
  await expect(listNodes(db, { as_of: day(10) })).rejects.toMatchObject({ code: 'gone' });
});

test('what is dropped while the past is read makes no wrong answer', async () => {
  const waiting = () =>
    sql<{ n: number }>`
      select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      .execute(db)
      .then(({ rows }) => rows[0]!.n);
  /** What a read answers that had begun, and waits for a table, when the past was dropped. */
  async function overtaken(table: string, read: () => Promise<unknown>): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>();
    // It may be there before it is waited for.
    answer.promise.catch(() => undefined);
    await transaction(db, async (tx) => {
      await sql`lock table ${sql.table(table)}`.execute(tx);
      read().then(answer.resolve, answer.reject);
      await expect.poll(waiting).toBe(1);
      await sql`
        insert into retention_horizon (side, section, at, seq) values ('derived', 'wanted', now(), 1)
        on conflict (side, section) do update set at = excluded.at`.execute(tx);
    });
    return await answer.promise.catch(({ code }) => code);
  }
  await sql`insert into site values ('ams1')`.execute(db);
  const rack = { site: 'ams1', rack: 'r1' };
  const put = { kind: 'rack.put', subject: 'rack/ams1:r1', actor: 'a', data: { height: 42 } };
  await transaction(db, (tx) => append(tx, [], [put]));
  const now = new Date().toISOString();
  await sql`delete from retention_horizon`.execute(db);
  const reads: [string, () => Promise<unknown>][] = [
    ['finding_past', () => listNodes(db, { as_of: now })],
    ['finding_past', () => findingsAt(db, now)],
    ['revision', () => sectionsAt(db, id, 'derived', now)],
    ['revision', () => viewRack(db, rack, now)],
  ];
  for (const [table, read] of reads) {
    expect(await overtaken(table, read), String(read)).toBe('gone');
    await sql`delete from retention_horizon`.execute(db);
  }
});

test('the names that findings had, and the facts that a policy looks at, are of the past, too', async () => {
  await sql`
    insert into retention_horizon (side, section, at, seq) values ('observed', 'hostname', now(), 1), ('observed', 'gpus', now(), 1)`.execute(
    db,
  );
  await expect(findingsAt(db, day(1))).rejects.toMatchObject({ code: 'gone' });
  await sql`delete from retention_horizon where section = 'hostname'`.execute(db);
  expect(await findingsAt(db, day(1))).toEqual([]);
  const slice = { after: undefined, limit: 10 };
  expect((await policyNodesAt(db, ['disks'], day(1), slice)).subjects).toHaveLength(1);
  await expect(policyNodesAt(db, ['gpus'], day(1), slice)).rejects.toMatchObject({
    code: 'gone',
    message: expect.stringMatching(/^what was observed of gpus is kept from .* on, and .* is before/),
  });
});

test('of several parts of an answer that are gone, the time is told from which all are kept', async () => {
  const [asked, kept] = [day(5), day(1)];
  await sql`delete from retention_horizon`.execute(db);
  await sql`
    insert into retention_horizon (side, section, at, seq)
    values ('observed', 'gpus', ${day(3)}, 1), ('observed', 'disks', ${kept}, 1), ('observed', 'tpm', ${day(2)}, 1)`.execute(
    db,
  );
  const slice = { after: undefined, limit: 10 };
  await expect(policyNodesAt(db, ['gpus', 'disks', 'tpm'], asked, slice)).rejects.toThrow(
    `what was observed of disks is kept from ${kept} on, and ${asked} is before`,
  );
  await sql`delete from retention_horizon`.execute(db);
});

test('a section with a rule of its own is kept by that, whatever the rule of the others', async () => {
  for (const i of [1, 2]) await write('observed', 'cpu', { i });
  await age(40);
  await keep('observed', 'cpu', 90);
  await run();
  expect(await counts()).toMatchObject({ 'observed cpu': 2 });
});
