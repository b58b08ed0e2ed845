import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { fleetAt } from '../nodes/asof.ts';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { lockNode } from '../trust/node-state.ts';
import { readActs } from './acts-at.ts';
import { append } from './feed.ts';

const { db } = await withDatabase();
const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const subject = `node/${id(1)}`;

async function act(kind: string, data: Record<string, unknown> = {}, about = subject): Promise<string> {
  const { events } = await transaction(db, (tx) => append(tx, [], [{ kind, subject: about, actor: 'a', data }]));
  return new Date(events[0]!.at.getTime() + 1).toISOString();
}

test('a hold, a lock, a revocation and an approval are seen from their time on', async () => {
  const held = await act('node.hold', { hold: true });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await putNode(db, id(1), {});
  await transaction(db, async (tx) => append(tx, [], await lockNode(tx, id(1), 'two copies')));
  const revoked = await act('node.revoked');
  await new Promise((resolve) => setTimeout(resolve, 5));
  await act('node.hold', { hold: false });
  const approved = await act('node.approved');
  const at = async (time: string) => (await readActs(db, time, [subject])).get(subject);
  expect(await at('2000-01-01T00:00:00Z')).toBeUndefined();
  expect(await at(held)).toEqual({ hold: true });
  expect(await at(revoked)).toEqual({ hold: true, locked: 'two copies', revoked: true });
  expect(await at(approved)).toEqual({ hold: false });
  expect((await fleetAt(db, revoked))[0]).toMatchObject({ revoked: true, node: { hold: true, locked: 'two copies' } });
});

test("a node is unreachable from the event that says so, its own or its site's, until it is back", async () => {
  for (const n of [1, 2]) await putNode(db, id(n), { observed: { system: { serial: `S${n}` } } });
  const alone = await act('node.unreachable');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const back = await act('node.reachable');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const site = await act('site.unreachable', { nodes: [id(1), id(2)] }, 'site/ber');
  const health = async (time: string) => (await fleetAt(db, time)).map(({ node }) => node.health);
  expect(await health(alone)).toEqual(['unreachable', 'ok']);
  expect(await health(back)).toEqual(['ok', 'ok']);
  expect(await health(site)).toEqual(['unreachable', 'unreachable']);
});
