import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { advance } from '../watch/states.ts';
import { judgeDue, restartJudging } from './judge.ts';

const { db, keys, node, now, ask } = await withIntents();
const reports = createReports(db, keys, createMetrics());
let seq = 0;
const report = (id: string, sections: Record<string, unknown>, errors: Record<string, string> = {}) =>
  reports.put(id, { boot_id: 'b', seq: ++seq, version: '1', sections, errors }, `${seq}`);

const gpu = { model: 'H100', link: { width: 16 } };
const dgx = { system: { manufacturer: 'NVIDIA', product: 'DGX' }, gpus: { '0000:01:00.0': gpu, '0000:02:00.0': gpu } };
const expected = {
  gpus: { parts: { h100: { count: 2, of: { model: 'H100' }, each: { 'link.width': 16 } } } },
};
const put = (name: string, body: object, query: object = {}) =>
  ask('putProfile', { params: { profile: name }, body, query });
const found = async (id: string) =>
  (await db.selectFrom('finding').selectAll().where('node', '=', id).orderBy('path').execute()).map(
    ({ section, path, kind, severity, message }) => `${section} ${path} ${kind} ${severity}: ${message}`,
  );
const beat = (id: string, ago = '0 s') =>
  sql`insert into heartbeat (node, at, lease_ms, boot_id, seq) values (${id}, now() - ${ago}::interval, 60000, 'b', 1)
    on conflict (node) do update set at = excluded.at`.execute(db);
const compliance = async (name: string) => (await ask('getProfile', { params: { profile: name } })).compliance;

test('a profile of a model: found in the transaction of the report, and again when the profile changes', async () => {
  const id = await node();
  const other = await node({ system: { product: 'else' } });
  await put('dgx', { model: 'NVIDIA DGX', expect: expected });
  await report(id, dgx);
  await beat(id);
  expect([await found(id), await compliance('dgx')]).toEqual([[], { nodes: 1, meets: 1, differs: 0, unknown: 0 }]);

  await report(id, { gpus: { '0000:01:00.0': { ...gpu, link: { width: 8 } } } });
  const narrow =
    'profile /dgx/gpus/h100/0000:01:00.0/link.width mismatch warning: gpus 0000:01:00.0 link.width is 8: expected 16 (profile dgx)';
  expect(await found(id)).toEqual([
    'profile /dgx/gpus/h100 missing warning: 1 h100 among gpus: expected 2 (profile dgx)',
    narrow,
  ]);
  expect([(await now(id)).findings, await compliance('dgx')]).toEqual([
    2,
    { nodes: 1, meets: 0, differs: 1, unknown: 0 },
  ]);
  const before = await db.selectFrom('finding').selectAll().where('path', 'like', '%width').executeTakeFirstOrThrow();
  const one = { gpus: { parts: { h100: { ...expected.gpus.parts.h100, count: 1 } } } };
  const dry = await put('dgx', { model: 'NVIDIA DGX', expect: one }, { dry_run: true });
  expect([dry.compliance.differs, await found(id)]).toEqual([1, expect.arrayContaining([narrow])]);
  await put('dgx', { model: 'NVIDIA DGX', expect: one });
  expect([await found(id), await found(other)]).toEqual([[narrow], []]);
  const after = await db.selectFrom('finding').selectAll().where('path', 'like', '%width').executeTakeFirstOrThrow();
  expect([after.id, after.first_seen]).toEqual([before.id, before.first_seen]);

  await ask('deleteProfile', { params: { profile: 'dgx' } });
  expect([await found(id), (await now(id)).findings]).toEqual([[], 0]);
});

test('each profile of a model is met or not by itself, also when the name of one begins that of the other', async () => {
  const parts = (count: number) => ({ model: 'Two', expect: { gpus: { parts: { all: { count } } } } });
  await put('two', parts(1));
  await put('two-more', parts(2));
  const [one, none] = [await node(), await node()];
  await report(one, { system: { product: 'Two' }, gpus: { a: {} } });
  await report(none, { system: { product: 'Two' }, gpus: {} });
  for (const id of [one, none]) await beat(id);
  expect([await compliance('two'), await compliance('two-more')]).toEqual([
    { nodes: 2, meets: 1, differs: 1, unknown: 0 },
    { nodes: 2, meets: 0, differs: 2, unknown: 0 },
  ]);
});

test('facts that are lacking, could not be read, are old, or of a silent node, never comply', async () => {
  const id = await node();
  await put('lack', { model: 'L', expect: { firmware: { facts: { secure_boot: true } } } });
  await report(id, { system: { product: 'L' } });
  await beat(id);
  const message =
    'profile /lack/firmware unknown info: firmware has not been reported, so nobody knows whether it is as expected (profile lack)';
  expect([await found(id), await compliance('lack')]).toEqual([
    [message],
    { nodes: 1, meets: 0, differs: 0, unknown: 1 },
  ]);
  await report(id, { firmware: { secure_boot: true } });
  expect(await compliance('lack')).toMatchObject({ meets: 1 });

  await report(id, {}, { firmware: 'EIO' });
  expect([await found(id), await compliance('lack')]).toEqual([
    [expect.stringContaining('firmware could not be read (EIO)')],
    { nodes: 1, meets: 0, differs: 0, unknown: 1 },
  ]);
  await report(id, {});
  expect(await compliance('lack')).toMatchObject({ meets: 1 });

  await beat(id, '61 s');
  expect(await compliance('lack')).toMatchObject({ meets: 0, unknown: 1 });
  await beat(id);
  await db.updateTable('heartbeat').set({ facts: 'other' }).where('node', '=', id).execute();
  expect(await compliance('lack')).toMatchObject({ meets: 0, unknown: 1 });
  expect((await ask('listProfileNodes', { params: { profile: 'lack' }, query: {} })).items).toMatchObject([
    { node: id, verdict: 'unknown', findings: 0 },
  ]);
  expect((await ask('listProfileNodes', { params: { profile: 'lack' }, query: { verdict: 'meets' } })).items).toEqual(
    [],
  );
});

test('a profile of a role: a node that gets the role is judged at once, and keeps no node from becoming active', async () => {
  const id = await node();
  await report(id, dgx);
  await put('gpu-role', { role: 'gpu', expect: { gpus: { parts: { all: { count: 9 } } } } });
  expect(await found(id)).toEqual([]);
  await ask('putNodeIntent', { params: { node: id, section: 'role' }, query: {}, body: { name: 'gpu' } });
  expect(await found(id)).toEqual([
    'profile /gpu-role/gpus/all missing warning: 2 all among gpus: expected 9 (profile gpu-role)',
  ]);
  await ask('putNodeIntent', { params: { node: id, section: 'mode' }, query: {}, body: { mode: 'enforce' } });
  await db.updateTable('node').set({ state: 'configuring' }).where('id', '=', id).execute();
  await beat(id);
  await sql`update heartbeat set generation = 99 where node = ${id}`.execute(db);
  await sql`update node_now set observed_at = now() where node = ${id}`.execute(db);
  await transaction(db, (tx) => advance(tx, [id]));
  expect(await db.selectFrom('node').select('state').where('id', '=', id).executeTakeFirst()).toEqual({
    state: 'active',
  });
  await expect(ask('deleteRole', { params: { role: 'gpu' } })).rejects.toThrow(
    'role "gpu" has profile gpu-role: change it, or machinedb profile delete gpu-role',
  );
});

test('profiles are rows: a misspelt role is an error, each change is in the feed, a list has pages', async () => {
  await expect(put('p', { role: 'gpus', expect: expected })).rejects.toThrow(
    'there is no role "gpus": machinedb role list shows them, machinedb role put gpus makes it',
  );
  await put('p1', { model: 'M', expect: expected });
  await put('p2', { model: 'M', role: 'web', expect: expected });
  const first = await ask('listProfiles', { query: { limit: 1, cursor: undefined } });
  const names = [...first.items, ...(await ask('listProfiles', { query: { cursor: first.next } })).items];
  expect(names.map(({ name }) => name)).toEqual(expect.arrayContaining(['p1', 'p2']));
  const events = await db.selectFrom('event').selectAll().where('subject', '=', 'profile/p2').execute();
  expect(events).toMatchObject([
    { kind: 'profile.put', actor: 'ann', data: { model: 'M', role: 'web', expect: expected } },
  ]);
  await expect(ask('deleteProfile', { params: { profile: 'nope' } })).rejects.toThrow(
    'there is no profile "nope": machinedb profile list shows them',
  );
});

test('reports and changes of a profile at once leave no node judged by an old profile', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => node()));
  const expecting = (count: number) => ({ model: 'Race', expect: { gpus: { parts: { all: { count } } } } });
  await put('race', expecting(0));
  await Promise.all([
    ...ids.map((id) => report(id, { system: { product: 'Race' }, gpus: { a: {} } })),
    ...[3, 4, 5].map((count) => put('race', expecting(count))),
  ]);
  const { expect: last } = await ask('getProfile', { params: { profile: 'race' } });
  const rows = await db.selectFrom('finding').select(['node', 'expected']).where('node', 'in', ids).execute();
  expect(rows).toHaveLength(8);
  expect(new Set(rows.map(({ expected: of }) => of))).toEqual(new Set([last.gpus!.parts!.all!.count]));
});

test('a profile that changes waits for a node that becomes of its model, judged by the old ones', async () => {
  const id = await node();
  const waiting = () =>
    sql<{ n: number }>`
      select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      .execute(db)
      .then(({ rows }) => rows[0]!.n);
  let changed: Promise<unknown> | undefined;
  await transaction(db, async (tx) => {
    await sql`select from node where id = ${id} for update`.execute(tx);
    changed = put('late', { model: 'LATE', expect: { gpus: { parts: { all: { count: 1 } } } } });
    await expect.poll(waiting, { timeout: 8000 }).toBe(1);
    await tx.updateTable('node_now').set({ model: 'LATE', observed: '{"gpus":{}}' }).where('node', '=', id).execute();
  });
  await changed;
  expect(await found(id)).toEqual([
    'profile /late/gpus/all missing warning: 0 all among gpus: expected 1 (profile late)',
  ]);
});

test('a profile of many nodes is judged in parts, none of which a crash loses', async () => {
  const NODES = 1100;
  await sql`
    with made as (insert into node (state, level) select 'approved', 'approved' from generate_series(1, ${NODES}) returning id)
    insert into node_now (node, model, observed) select id, 'Many', '{"gpus": {"a": {}}}' from made`.execute(db);
  const judged = async () =>
    (await db.selectFrom('finding').select('id').where('path', 'like', '/many/%').execute()).length;
  const body = { model: 'Many', expect: { gpus: { parts: { all: { count: 2 } } } } };
  const dry = await put('many', body, { dry_run: true });
  expect([dry.compliance, await judged()]).toEqual([{ nodes: NODES, meets: 0, differs: NODES, unknown: 0 }, 0]);

  // The daemon ends after the first part; another goes on.
  await transaction(db, async (tx) => {
    const row = { name: 'many', model: 'Many', role: null, description: null, changed_by: 'ann' };
    await tx
      .insertInto('profile')
      .values({ ...row, expect: JSON.stringify(body.expect) })
      .execute();
    await restartJudging(tx, [body]);
  });
  expect([await transaction(db, judgeDue), await judged()]).toEqual([true, 500]);
  while (await transaction(db, judgeDue));
  expect(await judged()).toBe(NODES);

  const changed = await put('many', { ...body, expect: { gpus: { parts: { all: { count: 1 } } } } });
  expect([changed.compliance, await judged()]).toEqual([{ nodes: NODES, meets: 0, differs: 0, unknown: NODES }, 0]);
  await put('many', body);
  await ask('deleteProfile', { params: { profile: 'many' } });
  expect([await judged(), await db.selectFrom('profile_due').selectAll().execute()]).toEqual([0, []]);
}, 30_000);

test('a profile from a node', async () => {
  const id = await node();
  await report(id, dgx);
  expect(await ask('profileFromNode', { params: { node: id } })).toEqual({
    model: 'NVIDIA DGX',
    expect: {
      system: { facts: { manufacturer: 'NVIDIA', product: 'DGX' } },
      gpus: { parts: { gpus: { count: 2, of: { model: 'H100' }, each: { 'link.width': 16 } } } },
    },
  });
  await expect(ask('profileFromNode', { params: { node: await node() } })).rejects.toThrow(
    'has reported no hardware yet: take one that has',
  );
});
