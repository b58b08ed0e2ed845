import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { randomFrom } from '../../agent/testing/random.ts';
import { transaction } from '../../machinedb/db.ts';
import { openEpoch } from '../../machinedb/feed/epoch.ts';
import { createHeartbeats } from '../../machinedb/reports/heartbeats.ts';
import { withDatabase } from '../../machinedb/testing/database.ts';
import { putNode } from '../../machinedb/testing/nodes.ts';
import { watchLiveness } from '../../machinedb/watch/liveness.ts';
import { findStuck } from '../../machinedb/watch/states.ts';
import { passTime } from './virtual-time.ts';

const HOUR = 3_600_000;
const { db } = await withDatabase();
await openEpoch(db);
const random = randomFrom(7);
const metrics = { heartbeats: () => undefined } as never;
const heartbeats = createHeartbeats(db, { intervalMs: 30_000, random, metrics });
afterAll(() => heartbeats.close());

const beat = { boot_id: 'b', seq: 1, facts: '', generation: 1, version: '0.1.0' };
const tasks = () =>
  transaction(db, async (tx) => {
    await watchLiveness(tx, { gapMs: 2 * HOUR });
    await findStuck(tx, 1);
  });
const kinds = async (subject: string) =>
  (
    await sql<{
      kind: string;
    }>`select kind from event where subject = ${subject} and kind like '%reachable' order by seq`.execute(db)
  ).rows.map(({ kind }) => kind);

test('a week of thirty nodes: each silence is told once, a site as one, and who stands still is found in time, not before', async () => {
  const nodes = Array.from({ length: 30 }, (_, i) => ({ id: randomUUID(), site: `s${i % 3}` }));
  for (const { id, site } of nodes) await putNode(db, id, { wanted: { placement: { site } }, state: 'active' });
  const waiting = randomUUID();
  await putNode(db, waiting, { state: 'discovered' });
  const silent = new Map<string, number>();
  const told = new Map(nodes.map(({ id }) => [id, [] as string[]]));
  const stuckAt: number[] = [];
  for (let hour = 0; hour < 7 * 24 + 2; hour++) {
    await passTime(db, HOUR);
    const outage = hour >= 100 && hour < 103;
    for (const { id, site } of nodes) {
      const left = silent.get(id) ?? 0;
      // Two nodes of a site at most are silent by themselves: more would be the site's own matter.
      const others = nodes.filter((node) => node.site === site && (silent.get(node.id) ?? 0) > 0).length;
      if (left > 0) silent.set(id, left - 1);
      else if (hour > 2 && !outage && others < 2 && random() < 0.01) silent.set(id, 1 + Math.floor(random() * 5));
    }
    const heard = nodes.filter(({ id, site }) => (silent.get(id) ?? 0) === 0 && !(outage && site === 's1'));
    await Promise.all(heard.map(({ id }) => heartbeats.beat(id, beat)));
    await tasks();
    for (const { id, site } of nodes) {
      const events = told.get(id)!;
      const is = heard.some((node) => node.id === id) ? 'node.reachable' : 'node.unreachable';
      // Who was silent when its site fell silent has said so itself.
      const last = events.at(-1);
      // What goes and comes back with its site is told of the site alone.
      const wasHeard = last === 'node.reachable' || last === 'came with its site';
      if (last === 'went with its site' && is === 'node.reachable') events.push('came with its site');
      else if (outage && site === 's1' && is === 'node.unreachable' && wasHeard) events.push('went with its site');
      else if (last !== 'went with its site' && wasHeard !== (is === 'node.reachable')) events.push(is);
    }
    const { rows } = await sql`select from finding where node = ${waiting} and section = 'state'`.execute(db);
    if (rows.length > 0) stuckAt.push(hour + 1);
  }
  for (const { id } of nodes)
    expect(await kinds(`node/${id}`)).toEqual(told.get(id)!.filter((kind) => !kind.includes(' ')));
  expect([await kinds('site/s0'), await kinds('site/s1'), await kinds('site/s2')]).toEqual([
    [],
    ['site.unreachable', 'site.reachable'],
    [],
  ]);
  expect([...told.values()].flat().filter((kind) => kind === 'node.unreachable').length).toBeGreaterThan(20);
  // Seven days are its limit: the look after 168 hours finds it.
  expect(stuckAt[0]).toBe(168);
}, 60_000);
