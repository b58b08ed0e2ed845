import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { plain } from '../cli/render.ts';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { advance } from '../watch/states.ts';
import { checkCabling } from './check.ts';

const { ask, node, report, db } = await withIntents();

interface Port {
  name: string;
  mac: string;
  /** [switch, port], or what LLDP tells in full. */
  in?: [string, string] | object | undefined;
}
const neighborOf = (heard: NonNullable<Port['in']>) =>
  Array.isArray(heard)
    ? { chassis_id: `id-${heard[0]}`, system_name: heard[0], port_id: heard[1], port_id_subtype: 'interface_name' }
    : heard;
const sections = (ports: Port[]) => ({
  nics: Object.fromEntries(ports.map(({ name, mac }) => [mac, { name, mac }])),
  lldp: Object.fromEntries(
    ports.flatMap(({ name, in: heard }) => (heard === undefined ? [] : [[name, { 'a b': neighborOf(heard) }]])),
  ),
});
async function named(fqdn: string, ports: Port[]): Promise<string> {
  const id = await node(sections(ports));
  await ask('assignNode', { params: { node: id }, body: { site: 'ber', fqdn, reason: 'test' } });
  return id;
}
const eth = (i: number, heard?: Port['in'], n = 0): Port => ({
  ...{ name: `eth${n}`, mac: `52:54:00:00:00:${String(i).padStart(2, '0')}` },
  in: heard,
});
const cable = (of: string, nic: string, sw: string, port: string) => ({ node: of, nic, switch: sw, port });
const put = (...items: object[]) => ask('putCables', { body: { items } });

/** The findings of cabling, once all that is due has been looked at. */
async function findings() {
  while (await transaction(db, checkCabling));
  const { items } = await ask('listFindings', { query: { section: 'cabling' } });
  return items
    .map(({ name, kind, path, message }) => ({ name, kind, path, message }))
    .sort((a, b) => (`${a.path} ${a.name}` < `${b.path} ${b.name}` ? -1 : 1));
}

test('cables as intended are no findings; a swapped pair is one, which names both nodes and both ports', async () => {
  const a = await named('a', [eth(1, ['sw1', 'Ethernet1'])]);
  const b = await named('b', [eth(2, ['sw1', 'Ethernet2'])]);
  await put(cable('a', '52:54:00:00:00:01', 'sw1', 'ethernet1'), cable(b, 'eth0', 'id-sw1', 'Ethernet2'));
  expect(await findings()).toEqual([]);
  await report(a, sections([eth(1, ['sw1', 'Ethernet2'])]));
  expect(await findings()).toEqual([
    {
      ...{ name: 'a', kind: 'mismatch', path: '/52:54:00:00:00:01' },
      message:
        '52:54:00:00:00:01 of a is in port Ethernet2 of switch sw1, where eth0 of b belongs: wanted port ethernet1 of switch sw1',
    },
  ]);
  await report(b, sections([eth(2, ['sw1', 'Ethernet1'])]));
  const crossed = await findings();
  const first = a < b ? 'a' : 'b';
  expect(crossed).toHaveLength(1);
  expect(crossed[0]).toMatchObject({ name: first, kind: 'mismatch' });
  expect(crossed[0]!.message).toBe(
    first === 'a'
      ? 'cables are crossed: 52:54:00:00:00:01 of a is in port Ethernet2 of switch sw1, and eth0 of b in port ethernet1 of switch sw1: change them round'
      : 'cables are crossed: eth0 of b is in port Ethernet1 of switch sw1, and 52:54:00:00:00:01 of a in port Ethernet2 of switch id-sw1: change them round',
  );
  // One is put right: the other is alone in the wrong port, whichever of them had the finding.
  await report(a, sections([eth(1, ['sw1', 'Ethernet1'])]));
  expect(await findings()).toMatchObject([{ name: 'b', path: '/eth0' }]);
  await report(b, sections([eth(2, ['sw1', 'Ethernet2'])]));
  expect(await findings()).toEqual([]);
});

test('a missing cable, a missing port and a silent node are told apart', async () => {
  const c = await named('c', [eth(3)]);
  await put(
    cable('c', 'eth0', 'sw1', 'Ethernet3'),
    cable('c', '52:54:00:00:00:99', 'sw1', 'Ethernet4'),
    cable(await named('d', []), 'eth0', 'sw1', 'Ethernet5'),
  );
  await report(await node(), {});
  const d = await db.selectFrom('node_now').select('node').where('fqdn', '=', 'd').executeTakeFirstOrThrow();
  await report(d.node, { os: {} });
  expect(await findings()).toEqual([
    {
      ...{ name: 'c', kind: 'missing', path: '/52:54:00:00:00:99' },
      message: 'c has no port 52:54:00:00:00:99, which is wanted in port Ethernet4 of switch sw1',
    },
    {
      ...{ name: 'c', kind: 'missing', path: '/eth0' },
      message: 'eth0 of c hears no switch: its cable to port Ethernet3 of switch sw1 is missing, or that port is down',
    },
    {
      ...{ name: 'd', kind: 'unknown', path: '/eth0' },
      message: 'd reports no LLDP, so nobody knows where eth0 is: wanted port Ethernet5 of switch sw1',
    },
  ]);
  const { items } = await ask('listFindings', { query: { section: 'cabling' } });
  expect(items.map(({ kind, severity }) => `${kind} ${severity}`).sort()).toEqual([
    ...['missing warning', 'missing warning', 'unknown info'],
  ]);
  // What compares wanted with observed leaves findings of cables alone.
  await ask('assignNode', { params: { node: c }, body: { tags: ['x'], reason: 'test' } });
  expect(await findings()).toHaveLength(3);
  for (const nic of ['eth0', '52:54:00:00:00:99']) await ask('deleteCable', { query: { node: 'c', nic } });
  await ask('deleteCable', { query: { node: 'd', nic: 'eth0' } });
  expect(await findings()).toEqual([]);
});

test('a stranger in the port of another is a finding that names both', async () => {
  await named('e', [eth(5, ['sw2', 'Ethernet1'])]);
  await named('f', [eth(6, ['sw2', 'Ethernet1'])]);
  await put(cable('e', 'eth0', 'sw2', 'Ethernet1'));
  expect(await findings()).toEqual([
    {
      ...{ name: 'f', kind: 'unexpected', path: '/eth0' },
      message: 'eth0 of f is in port Ethernet1 of switch sw2, where eth0 of e belongs',
    },
  ]);
  await ask('deleteCable', { query: { node: 'e', nic: 'eth0' } });
});

test('a switch that is a device with a chassis id is known by that, whatever another calls itself', async () => {
  const body = { kind: 'switch', chassis_id: '00:1c:73:00:01:00' };
  await ask('putDevice', { params: { site: 'ber', device: 'leaf1' }, body });
  const heard = (chassis_id: string) => ({
    ...{ chassis_id, system_name: 'leaf1' },
    ...{ port_id: '516', port_id_subtype: 'local', port_description: 'xe-0/0/4' },
  });
  const g = await named('g', [eth(8, heard('00:1c:73:00:01:00'))]);
  await put(cable('g', 'eth0', 'leaf1', 'xe-0/0/4'));
  expect(await findings()).toEqual([]);
  await report(g, sections([eth(8, heard('00:1c:73:00:02:00'))]));
  expect(await findings()).toMatchObject([
    { name: 'g', message: 'eth0 of g is in port xe-0/0/4 of switch leaf1: wanted port xe-0/0/4 of switch leaf1' },
  ]);
  // The switch was replaced: its device says so, and all is well again.
  await ask('putDevice', {
    params: { site: 'ber', device: 'leaf1' },
    body: { ...body, chassis_id: '00:1c:73:00:02:00' },
  });
  expect(await findings()).toEqual([]);
});

test('a switch that tells no name is called by its chassis id, and a port by its number or whatever it tells', async () => {
  await named('l', [
    eth(20, { chassis_id: '00:1c:73:00:09:00', port_id: '516', port_id_subtype: 'local' }),
    eth(21, { system_name: 'leaf9', port_description: 'xe-0/0/9' }, 1),
  ]);
  await put(cable('l', 'eth0', 'leaf9', 'p1'), cable('l', 'eth1', 'leaf9', 'p2'));
  expect((await findings()).map(({ message }) => message)).toEqual([
    'eth0 of l is in port 516 of switch 00:1c:73:00:09:00: wanted port p1 of switch leaf9',
    'eth1 of l is in port xe-0/0/9 of switch leaf9: wanted port p2 of switch leaf9',
  ]);
  for (const nic of ['eth0', 'eth1']) await ask('deleteCable', { query: { node: 'l', nic } });
});

test('a port has one cable: a list is taken wholly or not, and two cables change places in it', async () => {
  await named('h', [eth(10), eth(11, undefined, 1)]);
  await put(cable('h', 'eth0', 'sw3', 'p1'), cable('h', 'eth1', 'sw3', 'p2'));
  await put(cable('H', 'eth0', 'sw3', 'p2'), cable('h', 'eth1', 'sw3', 'p1'));
  await named('i', []);
  await expect(
    put(cable('i', 'eth0', 'sw3', 'p3'), cable('i', 'eth1', 'sw3', 'P1'), cable('i', 'eth0', 'sw3', 'p4')),
  ).rejects.toMatchObject({
    status: 409,
    message: '2 of 3 cables cannot be had, so none is: port P1 of switch sw3 is for eth1 of h: a port has one cable',
    errors: [
      { detail: 'port P1 of switch sw3 is for eth1 of h: a port has one cable', pointer: '/items/1' },
      { detail: 'eth0 of i is there twice: a port has one cable', pointer: '/items/2' },
    ],
  });
  await expect(put(cable('i', 'eth0', 'sw3', 'p3'), cable('nobody', 'eth0', 'sw3', 'p9'))).rejects.toMatchObject({
    errors: [{ detail: 'there is no node "nobody" by id or intended FQDN', pointer: '/items/1' }],
  });
  const { items } = await ask('listCables', { query: { switch: 'sw3' } });
  expect(items.map(({ name, nic, port }) => `${name} ${nic} ${port}`)).toEqual(['h eth1 p1', 'h eth0 p2']);
});

test('a cable in the wrong port keeps no node from becoming active: it is nothing that the node configures', async () => {
  const port = eth(13, ['sw5', 'p2']);
  const id = await named('k', [port]);
  await report(id, { ...sections([port]), hostname: { hostname: 'k' } });
  await put(cable('k', 'eth0', 'sw5', 'p1'));
  expect((await findings()).filter(({ name }) => name === 'k')).toMatchObject([{ kind: 'mismatch', path: '/eth0' }]);
  await ask('putNodeIntent', { params: { node: id, section: 'mode' }, query: {}, body: { mode: 'enforce' } });
  await db.updateTable('node').set({ state: 'configuring' }).where('id', '=', id).execute();
  await sql`insert into heartbeat (node, at, lease_ms, boot_id, seq, facts, generation, version)
    values (${id}, now(), 60000, 'b', 1, 'f', 99, '1')`.execute(db);
  await sql`update node_now set observed_at = now() where node = ${id}`.execute(db);
  await transaction(db, (tx) => advance(tx, [id]));
  expect(await db.selectFrom('node').select('state').where('id', '=', id).executeTakeFirst()).toEqual({
    state: 'active',
  });
});

test('80, 81: neighbours without end, and texts that are no names, harm nobody else and no terminal', async () => {
  // Nothing that PostgreSQL could make shorter.
  const long = String.fromCodePoint(...Array.from({ length: 1024 }, (_, i) => 0x4e00 + ((i * 7919) % 20_000)));
  const wild = { [long]: Object.fromEntries([1, 2].map((i) => [`${long}${i}`, { chassis_id: long, port_id: long }])) };
  const many = Object.fromEntries(
    Array.from({ length: 3000 }, (_, i) => [`v${i}`, { x: { system_name: `s${i}`, port_id: 'p' } }]),
  );
  await node({ lldp: wild });
  await node({ lldp: many });
  const ansi = { system_name: 'sw\u001b[2J', port_id: '=cmd()' };
  await named('j', [eth(12, ansi)]);
  await put(cable('j', 'eth0', 'sw4', 'p1'));
  const found = (await findings()).find(({ name }) => name === 'j');
  expect(found!.message).toBe('eth0 of j is in port =cmd() of switch sw\u001b[2J: wanted port p1 of switch sw4');
  expect(plain(found!.message)).toContain('switch sw\\x1b[2J: wanted');
  const { rows } = await sql<{ most: number }>`
    select max(n)::int as most from (select count(*) as n from neighbor group by node) as c`.execute(db);
  expect(rows).toEqual([{ most: 1000 }]);
});
