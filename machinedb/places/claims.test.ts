import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { withIntents } from '../testing/intents.ts';

const { ask, node, report, now, db } = await withIntents();
const section = (id: string, name = 'network') => ({ params: { node: id, section: name } });
const put = (id: string, body: object) => ask('putNodeIntent', { ...section(id), body }, { 'if-match': '*' });
const first = (id: string, body: object) => ask('putNodeIntent', { ...section(id), body });
const assign = (id: string, body: object) =>
  ask('assignNode', { params: { node: id }, body: { ...body, reason: 'test' } });
const macs = (id: string) =>
  db.selectFrom('intended_mac').select('mac').where('node', '=', id).orderBy('mac').execute();

test('a MAC is intended for one machine, whether it has reported its ports or not', async () => {
  const [a, b] = [await node(), await node()];
  const mac = '52:54:00:00:00:01';
  const body = { interfaces: { lan: { match: { mac }, mtu: 1500 } } };
  await first(a, body);
  const refusal = { status: 409, message: `MAC ${mac} is intended for node ${a} already: a port is in one machine` };
  await expect(first(b, body)).rejects.toMatchObject(refusal);
  await report(a, { nics: { n: { name: 'eth0', mac } } });
  await report(b, { nics: { n: { name: 'eth0', mac } } });
  await expect(first(b, body)).rejects.toMatchObject(refusal);
  await ask('deleteNodeIntent', section(a), { 'if-match': '*' });
  await first(b, body);
  expect([await macs(a), await macs(b)]).toEqual([[], [{ mac }]]);
});

test('a MAC that changes nothing wanted is claimed, too', async () => {
  const mac = '52:54:00:00:00:02';
  const id = await node({ nics: { n: { name: 'eth0', mac } } });
  await first(id, { interfaces: { eth0: { mtu: 1500 } } });
  const plan = await put(id, { interfaces: { eth0: { match: { mac }, mtu: 1500 } } });
  expect([plan.affected, await macs(id)]).toEqual([0, [{ mac }]]);
});

test('a report is never refused for what is intended, and claims nothing', async () => {
  const mac = '52:54:00:00:00:03';
  await ask('putRole', { params: { role: 'odd' }, body: {} });
  const a = await node();
  await assign(a, { role: 'odd' });
  const body = { interfaces: { odd: { match: { mac }, mtu: 1400 } } };
  await ask('putRoleIntent', { params: { role: 'odd', section: 'network' }, body });
  const b = await node();
  // Written behind the back of writeIntents, as a restored database may have it.
  await db
    .updateTable('revision')
    .set({ subject: `node/${b}` })
    .where('subject', '=', `node/${a}`)
    .where('section', '=', 'role')
    .execute();
  await report(b, { nics: { n: { name: 'eth0', mac } } });
  expect(await now(b)).toMatchObject({ wanted: { network: { interfaces: { eth0: { mtu: 1400 } } } } });
  expect([await macs(a), await macs(b)]).toEqual([[{ mac }], []]);
});

test("a node that is new in a layer gets no address of another site's network by its report", async () => {
  await ask('putSite', { params: { site: 'rom' }, body: {} });
  await ask('putNetwork', { params: { network: 'rom-net' }, query: { site: 'rom' }, body: { cidr: '10.8.0.0/24' } });
  await ask('putRole', { params: { role: 'rom' }, body: {} });
  const body = { interfaces: { eth0: { addresses: { primary: { network: 'rom-net' } } } } };
  await ask('putRoleIntent', { params: { role: 'rom', section: 'network' }, body });
  const id = await node();
  await assign(id, { site: 'ber' });
  await expect(assign(id, { role: 'rom' })).rejects.toMatchObject({ code: 'conflict' });
  const role = { subject: `node/${id}`, side: 'intended', source: 'operator', section: 'role', actor: 'ann' } as const;
  await transaction(db, (tx) => append(tx, [{ ...role, data: { name: 'rom' } }]));
  await expect(report(id, {})).rejects.toThrow(
    `network rom-net is there for site rom, and node ${id} stands in site ber`,
  );
});

test('where sites use the same addresses, each node gets its own network', async () => {
  await ask('putSite', { params: { site: 'par' }, body: {} });
  for (const site of ['ber', 'par'])
    await ask('putNetwork', { params: { network: `lab-${site}` }, query: { site }, body: { cidr: '10.77.0.0/24' } });
  const networkOf = async (id: string) =>
    (await db.selectFrom('allocation').select('network').where('node', '=', id).execute()).map(
      ({ network }) => network,
    );
  const port = { nics: { n: { name: 'eth0' } } };
  const [a, b] = [
    await node(port),
    await node({ ...port, network: { interfaces: { eth0: { addresses: { '10.77.0.6/24': {} } } } } }),
  ];
  await assign(a, { site: 'par', address: '10.77.0.5' });
  await assign(b, { site: 'par' });
  await ask('adoptNode', { params: { node: b }, body: { sections: ['network'], reason: 'test' } });
  expect([await networkOf(a), await networkOf(b)]).toEqual([['par:lab-par'], ['par:lab-par']]);
});
