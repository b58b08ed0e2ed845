import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { advance, findStuck, nextState } from '../watch/states.ts';
import { createReports } from './reports.ts';

const { db, keys, node, now, ask } = await withIntents();
const reports = createReports(db, keys, createMetrics());

function report(
  id: string,
  seq: number,
  sections: Record<string, unknown> = { os: { kernel: String(seq) } },
  bootId = 'boot-a',
) {
  return reports.put(id, { boot_id: bootId, seq, version: '1', sections }, `${bootId} ${seq}`);
}
const events = (id: string, kind: string) =>
  db.selectFrom('event').selectAll().where('subject', '=', `node/${id}`).where('kind', '=', kind).execute();
const locked = async (id: string) =>
  (await db.selectFrom('node').select('locked_reason').where('id', '=', id).executeTakeFirstOrThrow()).locked_reason;

test('only sections that changed become revisions, and a removed one ends', async () => {
  const id = await node();
  await report(id, 1, { os: { kernel: '6.1' }, cpu: { cores: 4 } });
  await report(id, 2, { os: { kernel: '6.1' }, cpu: null });
  const { rows } = await sql<{ section: string; data: unknown }>`
    select section, data from revision where subject = ${`node/${id}`} and side = 'observed' order by seq`.execute(db);
  expect(rows).toEqual([
    { section: 'os', data: { kernel: '6.1' } },
    { section: 'cpu', data: { cores: 4 } },
    { section: 'cpu', data: null },
  ]);
  expect((await now(id)).observed).toEqual({ os: { kernel: '6.1' } });
});

test('78: a retry gets its answer again; what comes late or twice otherwise is dropped', async () => {
  const id = await node();
  const first = await report(id, 5);
  expect(await report(id, 5)).toEqual(first);
  await expect(report(id, 4)).rejects.toThrow('report 4 of this boot comes after report 5: it is dropped');
  await expect(reports.put(id, { boot_id: 'boot-a', seq: 5, version: '1', sections: {} }, 'other')).rejects.toThrow(
    'it is dropped',
  );
});

test('68, 78: an old report of an earlier boot is dropped; a new one of it is a second machine, and locks the node', async () => {
  const id = await node();
  await report(id, 1, { os: {} }, 'a');
  await report(id, 1, { os: { x: 1 } }, 'b');
  await expect(report(id, 1, { os: {} }, 'a')).rejects.toThrow('boot a gave way to a newer one: the report is dropped');
  expect(await locked(id)).toBeNull();
  await expect(report(id, 2, { os: {} }, 'a')).rejects.toThrow('boot a gave way to a newer one: the report is dropped');
  expect(await locked(id)).toBe(
    'reports of two boots take turns (a came back after b): two machines share one identity',
  );
  expect(await events(id, 'alarm.locked')).toHaveLength(1);
});

test('77: a report of what only people may say is stored without it, with one alarm an hour', async () => {
  const id = await node();
  const { rejected } = await report(id, 1, { role: { name: 'gpu' }, os: { kernel: '6' } });
  await report(id, 2, { role: { name: 'gpu' } });
  expect(rejected).toEqual({ role: 'only people write this section' });
  expect([(await now(id)).role, (await events(id, 'alarm.report')).length]).toEqual([null, 1]);
});

test('79: a boot id that flips all the time is slowed down, with one alarm', async () => {
  const id = await node();
  for (let i = 0; i < 30; i++) await report(id, 1, {}, `boot-${i}`);
  for (const boot of ['x', 'y']) {
    await expect(report(id, 1, {}, boot)).rejects.toThrow(
      'this node has booted 30 times within an hour: reports are taken again later',
    );
  }
  expect(await events(id, 'alarm.boots')).toHaveLength(1);
});

test('a revoked node is refused, and its neighbour in the batch is not', async () => {
  const [one, two] = [await node(), await node()];
  await db.updateTable('node').set({ revoked_at: new Date() }).where('id', '=', one).execute();
  const [refused, stored] = await Promise.allSettled([report(one, 1), report(two, 1)]);
  expect([refused.status, stored.status]).toEqual(['rejected', 'fulfilled']);
});

test('facts are stored even when the intent cannot be resolved, and the contradiction is a finding', async () => {
  const id = await node();
  await ask('putNodeIntent', {
    params: { node: id, section: 'hostname' },
    body: { hostname: 'one', domain: 'a.example' },
  });
  const other = randomUUID();
  await db.insertInto('node').values({ id: other, hardware: '{}', level: 'approved' }).execute();
  await db
    .insertInto('node_now')
    .values({ node: other, observed: '{}', hashes: '{}', errors: '{}', wanted: '{}' } as never)
    .execute();
  // An intent that two nodes share can come by a restore or an older daemon: past the checks of a write.
  await sql`insert into revision select nextval('feed_seq'), now(), ${`node/${other}`}, side, source, section, data, hash, actor, reason, tstzrange(now(), null)
    from revision where subject = ${`node/${id}`} and section = 'hostname' and side = 'intended'`.execute(db);
  await report(other, 1, { os: { kernel: '6.1' } });
  expect((await now(other)).observed).toEqual({ os: { kernel: '6.1' } });
  const found = await db.selectFrom('finding').select(['section', 'message']).where('node', '=', other).execute();
  expect(found).toEqual([
    {
      section: 'intent',
      message: `the name one.a.example belongs to node ${id} already: take another, or rename that node first`,
    },
  ]);
});

test.each([
  [{ state: 'approved', mode: 'observe' }, 'active'],
  [{ state: 'approved', mode: 'enforce' }, 'configuring'],
  [{ state: 'approved', heard: false }, undefined],
  [{ state: 'discovered', level: 'claimed' }, undefined],
  [{ state: 'configuring', mode: 'enforce', reported: 1, generation: 2 }, undefined],
  [{ state: 'configuring', mode: 'enforce', reported: 2, generation: 2, findings: 1 }, undefined],
  [{ state: 'configuring', mode: 'enforce', reported: 2, generation: 2 }, 'active'],
  [{ state: 'configuring', mode: 'plan', reported: null, generation: 2 }, 'active'],
  [{ state: 'maintenance', mode: 'observe' }, undefined],
] as const)('the state after %j is %s', (given, next) => {
  const base = { level: 'approved', mode: 'observe', heard: true, reported: 0, generation: 0, findings: 0 } as const;
  expect(nextState({ ...base, ...given })).toBe(next);
});

test('a node that stands still is a finding with cause and next step, and moves on all the same when it can', async () => {
  const id = await node();
  await ask('putNodeIntent', { params: { node: id, section: 'mode' }, body: { mode: 'enforce' } });
  await report(id, 1);
  await db
    .updateTable('node')
    .set({ state: 'configuring', state_at: sql<Date>`now() - interval '1 day'` })
    .where('id', '=', id)
    .execute();
  await transaction(db, (tx) => findStuck(tx, 1));
  const [finding] = await db.selectFrom('finding').select(['section', 'message']).where('node', '=', id).execute();
  expect(finding).toEqual({
    section: 'state',
    message:
      'configuring for long: its findings name what is not as wanted (machinedb findings). Mend the intent or the node',
  });
  await sql`insert into heartbeat (node, at, lease_ms, boot_id, seq, generation) values (${id}, now(), 1000, 'b', 1, 99)`.execute(
    db,
  );
  const moved = await transaction(db, (tx) => advance(tx, [id]));
  expect(moved.events).toMatchObject([{ kind: 'node.state', data: { from: 'configuring', to: 'active' } }]);
  await transaction(db, (tx) => findStuck(tx, 1));
  expect(await db.selectFrom('finding').selectAll().where('node', '=', id).execute()).toEqual([]);
});
