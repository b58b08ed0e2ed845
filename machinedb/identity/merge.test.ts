import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { machine, unique, withTrust } from '../trust/testing/machine.ts';
import { mergeNodes } from './merge.ts';
import { splitNode } from './split.ts';

const trust = await withTrust();
const { db } = trust;
const act = { actor: 'ann', reason: 'one label' };
const merge = (id: string, into: string) => transaction(db, (tx) => mergeNodes(tx, id, into, act));
/** Fingerprint → status, of all keys of a node. */
const keysOf = async (node: string) => {
  const rows = await db.selectFrom('node_key').select(['fingerprint', 'status']).where('node', '=', node).execute();
  return Object.fromEntries(rows.map(({ fingerprint, status }) => [fingerprint, status]));
};

test('of two keys the newer one is the node’s, whichever way the merge goes, and a split gives each its own again', async () => {
  const [older, newer] = [machine(unique()), machine(unique())];
  const { node: first } = await trust.enrol(older);
  const { node: second } = await trust.enrol(newer);
  const apart = async () => [await keysOf(first), await keysOf(second)];
  const before = [{ [older.fingerprint]: 'current' }, { [newer.fingerprint]: 'current' }];
  expect(await apart()).toEqual(before);
  const together = { [older.fingerprint]: 'retired', [newer.fingerprint]: 'current' };
  await merge(first, second);
  expect(await apart()).toEqual([{}, together]);
  await transaction(db, (tx) => splitNode(tx, first, act));
  expect(await apart()).toEqual(before);
  await merge(second, first);
  expect(await apart()).toEqual([together, {}]);
  await transaction(db, (tx) => splitNode(tx, second, act));
  expect(await apart()).toEqual(before);
});

test('a node in rescue is merged into none, and none into it', async () => {
  const [{ node: a }, { node: b }] = [await trust.enrol(machine(unique())), await trust.enrol(machine(unique()))];
  await db
    .updateTable('node')
    .set({ rescue: '{}', rescue_until: new Date() } as never)
    .where('id', '=', a)
    .execute();
  for (const [id, into] of [
    [a, b],
    [b, a],
  ] as const)
    await expect(merge(id, into)).rejects.toThrow(`a rescue of node ${a} is open: end it first`);
});
