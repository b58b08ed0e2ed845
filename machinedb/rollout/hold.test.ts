import { afterAll, expect, test } from 'vitest';
import { createHeartbeats } from '../reports/heartbeats.ts';
import { createMetrics } from '../watch/metrics.ts';
import { withRollouts } from './testing.ts';

const { db, ask, role, change, turn, tell, show, now } = await withRollouts();
const heartbeats = createHeartbeats(db, { intervalMs: 30_000, random: () => 0.5, metrics: createMetrics() });
afterAll(() => heartbeats.close());

await db.insertInto('fleet').values({ epoch: 'e', origin: 'o', hold_reason: null }).execute();

let seq = 0;
/** What the heartbeat of a node that has the newest wanted state is answered with. */
async function hints(id: string): Promise<string[]> {
  const { generation } = await now(id);
  const beat = { boot_id: 'b', seq: seq++, facts: '', generation, version: '0' };
  return (await heartbeats.beat(id, beat)).want.filter((want) => want !== 'observed');
}

const holdNode = (id: string, hold: boolean) =>
  ask('holdNode', { params: { node: id }, body: { hold, reason: 'being moved' } });
const holdFleet = (hold: boolean) => ask('holdFleet', { body: { hold, reason: 'storm' } });

test('a node on hold begins nothing, its own change and drift included; what runs ends; and it is told when it may', async () => {
  const [a, b] = (await role('held', 2)) as [string, string];
  await ask('assignNode', { params: { node: a }, body: { fqdn: 'new.example.org', reason: 'renamed' } });
  await holdNode(a, true);
  expect(await turn(a)).toBe('the node is on hold: being moved');
  expect(await hints(a)).toEqual([]);
  expect(await turn(b)).toBe('go');
  await change('held');
  expect(await show('held')).toMatchObject({ state: 'running', waiting: 2, held: 1 });
  await holdNode(a, false);
  expect(await hints(a)).toEqual(['apply']);
  expect(await turn(a)).toBe('go');
  expect(await hints(a)).toEqual([]);
  await holdNode(a, true);
  await tell(a, 'applied');
  expect(await show('held')).toMatchObject({ applied: 1, waiting: 1, held: 0 });
});

test('a hold of the fleet stops every roll-out, and says what ends it', async () => {
  const [a, b] = (await role('all', 2)) as [string, string];
  await change('all');
  expect(await turn(a)).toBe('go');
  await holdFleet(true);
  expect(await turn(b)).toBe('the fleet is on hold: storm');
  expect(await hints(b)).toEqual([]);
  await tell(a, 'applied');
  expect(await show('all')).toMatchObject({
    ...{ state: 'held', waiting: 1, applied: 1 },
    next: 'the fleet is on hold (storm): machinedb hold-fleet --no-hold --reason TEXT ends that',
  });
  await holdFleet(false);
  expect(await hints(b)).toEqual(['apply']);
});

test('a node that waits is given a hint when a slot is free, not while all are taken or the roll-out is stopped', async () => {
  const [a, b] = (await role('hint', 2)) as [string, string];
  await ask('putRollout', { params: { role: 'hint' }, body: { slots: 1, stop_after: 1 } });
  await change('hint');
  // A node that has not asked yet is not in need of a hint: it asks when it has fetched what is wanted.
  expect(await hints(b)).toEqual([]);
  await turn(a);
  await turn(b);
  expect(await hints(b)).toEqual([]);
  await tell(a, 'undone', 'no gateway');
  expect(await hints(b)).toEqual([]);
  await ask('resumeRollout', { params: { role: 'hint' }, body: { reason: 'the switch was mended' } });
  expect(await hints(b)).toEqual(['apply']);
  expect(await turn(b)).toBe('go');
  expect(await hints(b)).toEqual([]);
});
