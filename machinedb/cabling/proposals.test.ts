import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { enrol } from '../enrol/enrol.ts';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { makeNonce } from '../trust/nonce.ts';
import { claimOf, machine, unique } from '../trust/testing/machine.ts';
import { createMetrics } from '../watch/metrics.ts';
import { checkCabling } from './check.ts';
import { takePlace } from './take-place.ts';

const { ask, node, now, db, keys, context } = await withIntents();
const reports = createReports(db, keys, createMetrics());

type Plug = [switch_: string, port: string];
const lldpOf = (...plugs: Plug[]) =>
  Object.fromEntries(
    plugs.map(([of, port], i) => [
      `eth${i}`,
      {
        [`${of} ${port}`]: {
          chassis_id: `id-${of}`,
          system_name: of,
          port_id: port,
          port_id_subtype: 'interface_name',
        },
      },
    ]),
  );
const look = async () => {
  while (await transaction(db, checkCabling));
};
const take = async () => {
  while (await transaction(db, (tx) => takePlace(tx, keys)));
};
/** A machine that the rule `take` approves, and that then reports its neighbours as agents do. */
async function come(...plugs: Plug[]): Promise<string> {
  const { node: id } = await enrol(
    context,
    claimOf(machine({ ...unique(), product: 'X1' }), { nonce: makeNonce(keys, Date.now()) }),
    '192.0.2.1',
  );
  await reports.put(id, { boot_id: 'b', seq: 1, version: '1', sections: { lldp: lldpOf(...plugs) } }, id);
  return id;
}
const placement = async (id: string) => (await now(id)).wanted.placement;

const items = ['sw1', 'sw2'].flatMap((of) =>
  [1, 2, 3, 4].map((unit) => ({ switch: of, port: `Ethernet${unit}`, site: 'ber', rack: 'r1', unit, height: 1 })),
);
await ask('putPortPlaces', { body: { items } });

test('switch ports propose the place of a node, with how many agree and whether it is free', async () => {
  const sure = await node({ lldp: lldpOf(['sw1', 'ethernet1'], ['sw2', 'Ethernet1'], ['unknown', 'x']) });
  const split = await node({ lldp: lldpOf(['sw1', 'Ethernet2'], ['sw2', 'Ethernet2'], ['sw2', 'Ethernet3']) });
  const late = await node({ lldp: lldpOf(['sw1', 'Ethernet4']) });
  const there = await node({ lldp: lldpOf(['sw1', 'Ethernet4']) });
  const body = { site: 'ber', rack: 'r1', unit: 4, fqdn: 'there', reason: 'test' };
  await ask('assignNode', { params: { node: there }, body });
  await look();
  const proposal = async (id: string) => (await ask('listProposals', { query: { node: id } })).items;
  const place = { site: 'ber', rack: 'r1', height: 1 };
  expect(await proposal(sure)).toEqual([
    {
      ...{ node: sure, name: sure, ...place, unit: 1, agree: 2, heard: 2, free: true, confidence: 1 },
      ports: ['eth0 sw1 ethernet1', 'eth1 sw2 Ethernet1'],
    },
  ]);
  expect(await proposal(split)).toEqual([
    {
      ...{ node: split, name: split, ...place, unit: 2, agree: 2, heard: 3, free: true, confidence: 0.667 },
      ports: ['eth0 sw1 Ethernet2', 'eth1 sw2 Ethernet2'],
    },
  ]);
  expect(await proposal(late)).toMatchObject([{ unit: 4, free: false, taken_by: 'there', confidence: 0 }]);
  expect(await proposal(there)).toEqual([]);
  const first = await ask('listProposals', { query: { limit: 2 } });
  const second = await ask('listProposals', { query: { limit: 2, cursor: first.next } });
  expect([...first.items, ...second.items].map((it) => it.node)).toEqual([sure, split, late].sort());
});

test('a rule takes the place that enough ports agree on, and the event says why', async () => {
  const rule = (body: object) => ask('putApprovalRule', { params: { rule: 'take' }, body: { product: 'X1', ...body } });
  expect(await rule({ take_place: 0.75 })).toMatchObject({ name: 'take', take_place: 0.75 });
  const id = await come(['sw1', 'Ethernet3'], ['sw2', 'Ethernet3']);
  const unsure = await come(['sw1', 'Ethernet1'], ['sw2', 'Ethernet2']);
  const late = await come(['sw1', 'Ethernet4'], ['sw2', 'Ethernet4']);
  await look();
  await take();
  expect(await placement(id)).toEqual({ site: 'ber', rack: 'r1', unit: 3, height: 1 });
  expect([await placement(unsure), await placement(late)]).toEqual([undefined, undefined]);
  const event = await db
    .selectFrom('event')
    .select(['actor', 'reason', 'data'])
    .where('kind', '=', 'node.placed')
    .where('subject', '=', `node/${id}`)
    .executeTakeFirstOrThrow();
  const ports = ['eth0 sw1 Ethernet3', 'eth1 sw2 Ethernet3'];
  expect(event).toEqual({
    actor: 'rule/take',
    reason: `2 of 2 of its ports are in switch ports of this place (${ports.join(', ')}), and it is free`,
    data: { site: 'ber', rack: 'r1', unit: 3, agree: 2, heard: 2, ports },
  });
  // A node that waits gets its place as soon as it is free.
  await ask('moveNodes', { body: { items: [{ node: 'there', unit: 9 }], reason: 'test' } });
  await take();
  expect(await placement(late)).toMatchObject({ unit: 4 });
});

test('two machines that one place is told of wait for a person, whose word goes first', async () => {
  await ask('putPortPlaces', {
    body: { items: ['a', 'b'].map((port) => ({ switch: 'sw9', port, site: 'ber', rack: 'r1', unit: 7 })) },
  });
  const [one, two] = [await come(['sw9', 'a']), await come(['sw9', 'b'])];
  await look();
  await take();
  expect([await placement(one), await placement(two)]).toEqual([undefined, undefined]);
  await ask('assignNode', { params: { node: one }, body: { site: 'ber', rack: 'r1', unit: 8, reason: 'seen' } });
  await take();
  expect([await placement(one), await placement(two)]).toMatchObject([{ unit: 8 }, { unit: 7 }]);
});

test('two machines beside each other in one unit are told two places, and each gets its own', async () => {
  const half = { switch: 'sw8', site: 'ber', rack: 'r1', unit: 6 };
  await ask('putPortPlaces', {
    body: {
      items: [
        { ...half, port: 'l', part: 'left' },
        { ...half, port: 'r', part: 'right' },
      ],
    },
  });
  const [left, right] = [await come(['sw8', 'l']), await come(['sw8', 'r'])];
  await look();
  await take();
  const place = { site: 'ber', rack: 'r1', unit: 6 };
  expect([await placement(left), await placement(right)]).toEqual([
    { ...place, part: 'left' },
    { ...place, part: 'right' },
  ]);
});

test('a switch that is a device with a chassis id proposes places by that, whatever another calls itself', async () => {
  await ask('putDevice', { params: { site: 'ber', device: 'leaf1' }, body: { kind: 'switch', chassis_id: 'id-real' } });
  await ask('putPortPlaces', { body: { items: [{ switch: 'leaf1', port: 'p', site: 'ber', rack: 'r1', unit: 10 }] } });
  const heard = (chassis_id: string) => ({ eth0: { n: { chassis_id, system_name: 'leaf1', port_id: 'p' } } });
  const [real, other] = [await node({ lldp: heard('id-real') }), await node({ lldp: heard('id-other') })];
  await look();
  const proposed = async (id: string) => (await ask('listProposals', { query: { node: id } })).items;
  expect(await proposed(real)).toMatchObject([{ unit: 10, ports: ['eth0 leaf1 p'] }]);
  expect(await proposed(other)).toEqual([]);
  await ask('deletePortPlace', { query: { switch: 'leaf1', port: 'p' } });
});

test('a rule that does not say so takes no place', async () => {
  await ask('putApprovalRule', { params: { rule: 'take' }, body: { product: 'X1' } });
  await ask('putPortPlaces', { body: { items: [{ switch: 'sw9', port: 'c', site: 'ber', rack: 'r1', unit: 10 }] } });
  const id = await come(['sw9', 'c']);
  await look();
  await take();
  expect(await placement(id)).toBeUndefined();
  expect((await ask('listProposals', { query: { node: id } })).items).toMatchObject([{ unit: 10, confidence: 1 }]);
});

test('a place that is not there is refused, and told with its item', async () => {
  const at = { switch: 'sw1', port: 'x', site: 'ber', rack: 'r1', unit: 10 };
  await expect(
    ask('putPortPlaces', { body: { items: [at, { ...at, height: 2 }, { ...at, rack: 'r7' }] } }),
  ).rejects.toMatchObject({
    status: 400,
    errors: [
      {
        detail: 'rack r1 of site ber: unit 10 and up do not fit: it has 10; machinedb rack list shows them',
        pointer: '/items/1',
      },
      { detail: 'rack r7 of site ber: there is none; machinedb rack list shows them', pointer: '/items/2' },
    ],
  });
  await ask('deletePortPlace', { query: { switch: 'sw9', port: 'C' } });
  expect((await ask('listPortPlaces', { query: { limit: 1000 } })).items).toHaveLength(12);
});
