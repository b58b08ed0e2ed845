import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { nodeForRead, nodeForWrite } from './node-ref.ts';

const { db } = await withDatabase();

test('a read finds a node by what it reports of itself, exactly, and says which ones fit when several do', async () => {
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()].sort();
  const observed = (hostname: string, serial: string, mac: string) => ({
    ...{ hostname: { hostname }, system: { serial } },
    nics: { [mac]: { mac } },
  });
  await putNode(db, one!, { observed: observed('ÄRGER_1%', 'S1', '02:00:00:00:00:01') });
  await putNode(db, two!, { observed: observed('ÄRGER_1%2', 'S2', '02:00:00:00:00:02') });
  await putNode(db, three!, { observed: observed('twin', 'S2', '02:00:00:00:00:03') });
  expect(await nodeForRead(db, 'ÄRGER_1%')).toBe(one);
  expect(await nodeForRead(db, 'mac:02:00:00:00:00:01')).toBe(one);
  expect(await nodeForRead(db, 'mac:02:00:00:00:00:02')).toBe(two);
  expect(await nodeForRead(db, 'serial:S1')).toBe(one);
  for (const reference of ['ärger_1%', 'RGER', 'serial:S', 'mac:02:00:00:00:00:09'])
    await expect(nodeForRead(db, reference), reference).rejects.toThrow(`there is no node "${reference}"`);
  await expect(nodeForRead(db, 'serial:S2')).rejects.toThrow(`"serial:S2" fits several nodes (${two}, ${three})`);
  // It was merged into another one: what it reported is no longer its own.
  await db
    .updateTable('node')
    .set({ state: 'retired', merged_into: one!, merged: '{}' })
    .where('id', '=', three!)
    .execute();
  expect(await nodeForRead(db, 'serial:S2')).toBe(two);
});

test('a part of few names, such as a host name without its domain, is no name, but what may be meant is told', async () => {
  for (const host of ['web1', 'web2', 'gpu1', 'gpu2', 'gpu3', 'gpu4'])
    await putNode(db, randomUUID(), { wanted: { hostname: { hostname: host, domain: 'ber.example.org' } } });
  const none = 'machinedb nodes lists them';
  await expect(nodeForRead(db, 'web1')).rejects.toThrow(
    `there is no node "web1": did you mean web1.ber.example.org? ${none}`,
  );
  await expect(nodeForWrite(db, 'web')).rejects.toThrow(
    `there is no node "web" by id or intended FQDN: did you mean web1.ber.example.org, web2.ber.example.org? ${none}`,
  );
  // Too many to name, none, and too little to look for.
  for (const reference of ['gpu', 'nope', 'we'])
    await expect(nodeForRead(db, reference)).rejects.toThrow(`there is no node "${reference}": ${none}`);
});
