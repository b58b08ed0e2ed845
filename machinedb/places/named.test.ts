import { expect, test } from 'vitest';
import { listNodes } from '../nodes/node-list.ts';
import { withIntents } from '../testing/intents.ts';

const { db, ask } = await withIntents();

test.each([
  [{ role: 'gpuu' }, 'there is no role "gpuu": machinedb role list shows them, machinedb role put gpuu makes it'],
  [{ site: 'bre' }, 'there is no site "bre": machinedb site list shows them, machinedb site put bre makes it'],
  [
    { rack: 'r9' },
    'there is no rack "r9": machinedb rack list shows them, machinedb rack put SITE r9 --height 42 makes it',
  ],
  [
    { site: 'ber', rack: 'r9' },
    'there is no rack "r9" in site "ber": machinedb rack list shows them, machinedb rack put ber r9 --height 42 makes it',
  ],
])('nodes of %j, which is misspelt, are no empty list', async (query, message) => {
  await expect(listNodes(db, query)).rejects.toMatchObject({ code: 'not_found', message });
});

test('a role without nodes is an empty list', async () => {
  expect(await listNodes(db, { site: 'ber', rack: 'r1', role: 'gpu' })).toEqual({ items: [] });
  expect(await ask('listFindings', { query: { role: 'gpu' } })).toEqual({ items: [] });
  expect(await ask('getRoleIntent', { params: { role: 'gpu' }, query: {} })).toEqual({ items: [] });
  expect(await ask('getRackIntent', { params: { site: 'ber', rack: 'r1' }, query: {} })).toEqual({ items: [] });
});

test('nor are findings and intents of what there is not', async () => {
  const none = {
    code: 'not_found',
    message: 'there is no role "gpuu": machinedb role list shows them, machinedb role put gpuu makes it',
  };
  await expect(ask('listFindings', { query: { role: 'gpuu' } })).rejects.toMatchObject(none);
  await expect(ask('summarizeFindings', { query: { role: 'gpuu' } })).rejects.toMatchObject(none);
  await expect(ask('getRoleIntent', { params: { role: 'gpuu' }, query: {} })).rejects.toMatchObject(none);
  await expect(ask('getSiteIntent', { params: { site: 'bre' }, query: {} })).rejects.toMatchObject({
    message: 'there is no site "bre": machinedb site list shows them, machinedb site put bre makes it',
  });
  await expect(ask('getRackIntent', { params: { site: 'ber', rack: 'r9' }, query: {} })).rejects.toMatchObject({
    message:
      'there is no rack "r9" in site "ber": machinedb rack list shows them, machinedb rack put ber r9 --height 42 makes it',
  });
  // The past may have had it.
  const as_of = '2026-01-01T00:00:00Z';
  expect(await ask('getRoleIntent', { params: { role: 'gpuu' }, query: { as_of } })).toEqual({ items: [] });
});
