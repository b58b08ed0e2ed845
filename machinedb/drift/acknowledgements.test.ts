import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { endAcknowledgements } from './acknowledgements.ts';

const { db, node, report, ask, now } = await withIntents();
const end = () => transaction(db, endAcknowledgements);
const findings = async (id: string) =>
  (await ask('listFindings', { query: {} })).items.filter((item) => item.node === id);
const history = async (id: string) =>
  (await ask('listAcknowledgements', { query: { node: id } })).items.map(({ by, reason, ended, until }) => ({
    by,
    reason,
    ended,
    until,
  }));
const told = async (id: string) =>
  (
    await db
      .selectFrom('event')
      .selectAll()
      .where('subject', '=', `node/${id}`)
      .where('kind', '=', 'finding.unacknowledged')
      .orderBy('seq')
      .execute()
  ).map(({ reason, data }) => [reason, data.path, data.by]);
const acknowledge = (id: number, reason: string, until?: string) =>
  ask('acknowledgeFinding', { params: { id }, body: { reason, until } });
const gib = (count: number) => ({ gpus: Object.fromEntries(Array.from({ length: count }, (_, i) => [`g${i}`, {}])) });

let models = 0;
/** A node with one finding: it has one GPU, and eight are expected. */
async function short(): Promise<{ id: string; model: string }> {
  const model = `M${++models}`;
  const expected = { gpus: { parts: { all: { count: 8 } } } };
  await ask('putProfile', { params: { profile: model.toLowerCase() }, query: {}, body: { model, expect: expected } });
  return { model, id: await node({ system: { product: model }, ...gib(1) }) };
}

test('an acknowledgement ends by itself when its time is over; that is history, and in the feed once', async () => {
  const { id } = await short();
  const [finding] = await findings(id);
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const reply = await acknowledge(finding!.id, 'parts are ordered', until);
  expect(reply.finding).toMatchObject({
    alarmed: false,
    acknowledged: { by: 'ann', reason: 'parts are ordered', until },
  });
  await end();
  expect(await history(id)).toEqual([{ by: 'ann', reason: 'parts are ordered', until, ended: undefined }]);
  expect((await ask('listAcknowledgements', { query: { open: true } })).items).toHaveLength(1);

  expect((await now(id)).findings).toBe(0);
  await sql`update finding set acknowledged_until = now() - interval '1 s' where id = ${finding!.id}`.execute(db);
  await end();
  await end();
  expect((await now(id)).findings).toBe(1);
  expect((await findings(id))[0]).toMatchObject({ alarmed: true, acknowledged: undefined });
  expect(await history(id)).toEqual([{ by: 'ann', reason: 'parts are ordered', until, ended: 'expired' }]);
  expect(await told(id)).toEqual([['its time is over', finding!.path, 'ann']]);
  expect((await ask('listAcknowledgements', { query: { open: true } })).items).toEqual([]);
});

test('of two machines with the same difference, only the acknowledgement whose time is over ends', async () => {
  const { id, model } = await short();
  const other = await node({ system: { product: model }, ...gib(1) });
  for (const each of [id, other]) await acknowledge((await findings(each))[0]!.id, 'ordered', '2100-01-01T00:00:00Z');
  await sql`update finding set acknowledged_until = now() - interval '1 s' where node = ${id}`.execute(db);
  await end();
  expect([(await history(id))[0]?.ended, (await history(other))[0]?.ended]).toEqual(['expired', undefined]);
  await acknowledge((await findings(id))[0]!.id, 'again');
  expect([(await history(id)).length, (await history(other))[0]?.ended]).toEqual([2, undefined]);
});

test('it is lost when another value is reported, or another one is wanted, and ends when the difference is mended', async () => {
  const { id, model } = await short();
  const [finding] = await findings(id);
  await acknowledge(finding!.id, 'one');
  await report(id, { system: { product: model }, ...gib(1) });
  expect((await findings(id))[0]).toMatchObject({ acknowledged: { reason: 'one' } });

  await report(id, { system: { product: model }, ...gib(2) });
  expect((await findings(id))[0]).toMatchObject({ id: finding!.id, alarmed: true, acknowledged: undefined });
  await end();

  await acknowledge(finding!.id, 'two');
  await acknowledge(finding!.id, 'three');
  const nine = { gpus: { parts: { all: { count: 9 } } } };
  await ask('putProfile', { params: { profile: model.toLowerCase() }, query: {}, body: { model, expect: nine } });
  expect((await findings(id))[0]).toMatchObject({ acknowledged: undefined });
  await end();

  await acknowledge(finding!.id, 'four');
  await report(id, { system: { product: model }, ...gib(9) });
  await end();
  expect((await history(id)).map(({ reason, ended }) => [reason, ended])).toEqual([
    ['four', 'mended'],
    ['three', 'changed'],
    ['two', 'replaced'],
    ['one', 'changed'],
  ]);
  expect((await told(id)).map(([reason]) => reason)).toEqual([
    'the difference is another one',
    'another one took its place',
    'the difference is another one',
    'the difference is gone',
  ]);
});

test('an acknowledgement until a time that is past is refused', async () => {
  const { id } = await short();
  const [finding] = await findings(id);
  await expect(acknowledge(finding!.id, 'x', '2020-01-01T00:00:00Z')).rejects.toThrow(
    'until is 2020-01-01T00:00:00Z, which is past: name a time to come, or none',
  );
});

test('a finding younger than the grace of its kind is not alarmed, in lists and metrics', async () => {
  const { id } = await short();
  const metrics = createMetrics();
  const gauge = async () =>
    /^machinedb_findings_alarmed\{severity="warning"\} (\d+)$/m.exec(await metrics.render(db))?.[1];
  const before = Number(await gauge());
  expect((await findings(id))[0]).toMatchObject({ kind: 'missing', alarmed: true });

  expect(await ask('putGrace', { query: {}, body: { missing: 600 } })).toEqual({ missing: 600 });
  expect(await ask('putGrace', { query: {}, body: { unknown: 60 } })).toEqual({ missing: 600, unknown: 60 });
  expect(await ask('getGrace', {})).toEqual({ missing: 600, unknown: 60 });
  expect((await findings(id))[0]).toMatchObject({ alarmed: false });
  expect((await ask('listFindings', { query: { alarmed: true } })).items.map((item) => item.node)).not.toContain(id);
  expect(await gauge()).toBeUndefined();

  await sql`update finding set first_seen = now() - interval '601 s' where node = ${id}`.execute(db);
  expect((await findings(id))[0]).toMatchObject({ alarmed: true });
  await ask('putGrace', { query: {}, body: { missing: 0 } });
  expect(Number(await gauge())).toBe(before);
  metrics.close();
});

test('what is acknowledged without an end is not alarmed', async () => {
  const { id } = await short();
  const [finding] = await findings(id);
  const all = { section: 'profile', kind: 'missing', severity: 'warning' };
  const ofProfiles = async () =>
    (await ask('summarizeFindings', { query: {} })).items.filter(({ section }) => section === 'profile');
  const [before] = await ofProfiles();
  expect(before).toMatchObject(all);
  expect((await acknowledge(finding!.id, 'it stays so')).finding).toMatchObject({ alarmed: false });
  expect(await ofProfiles()).toEqual([{ ...before, alarmed: before!.alarmed - 1 }]);
  await ask('putRole', { params: { role: 'nobody' }, query: {}, body: {} });
  expect(await ask('summarizeFindings', { query: { role: 'nobody' } })).toEqual({ items: [] });
});
