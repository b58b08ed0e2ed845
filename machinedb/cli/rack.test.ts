import { expect, test } from 'vitest';
import type { Client } from '../../shared/client.ts';
import { withIntents } from '../testing/intents.ts';
import { runRack } from './rack.ts';
import type { Terminal } from './run.ts';

const { ask, node, db } = await withIntents();
const client = { call: async (operation: never, call: object) => await ask(operation, call) } as Client;

/** What `machinedb rack ...` prints. */
async function rack(...argv: string[]): Promise<string> {
  const printed: string[] = [];
  const terminal = { out: (text: string) => printed.push(text) } as unknown as Terminal;
  await runRack(() => client, argv, terminal);
  return printed.join('\n');
}
const put = (name: string, body: object) => ask('putRack', { params: { site: 'ber', rack: name }, body });
const feed = (name: string, body: object, of?: string) =>
  ask('putFeed', { params: { site: 'ber', feed: name }, query: { rack: of }, body });
const device = (name: string, body: object) => ask('putDevice', { params: { site: 'ber', device: name }, body });
async function place(fqdn: string, where: object, observed: object = {}): Promise<string> {
  const id = await node(observed as Record<string, unknown>);
  await ask('assignNode', { params: { node: id }, body: { site: 'ber', fqdn, ...where, reason: 'test' } });
  return id;
}

await ask('putRoom', { params: { site: 'ber', room: 'hall-1' }, body: { rows: ['b', 'a'] } });
await put('r12', { height: 6, room: 'hall-1', row: 'a', position: 3, description: 'GPUs' });
await device('pdu-a', { kind: 'pdu', rack: 'r12', side: 'left', face: 'rear' });
await device('pdu-b', { kind: 'pdu', rack: 'r12', side: 'right', unit: 1, height: 3 });
await feed('ups-1', { rating_w: 2000 });
await feed('A', { rating_w: 1000, upstream: 'ups-1', pdu: 'pdu-a' }, 'r12');
await feed('B', { rating_w: 1000, pdu: 'pdu-b' }, 'r12');
await device('sw1', { kind: 'switch', rack: 'r12', unit: 6, face: 'rear', draw_w: 100, feeds: ['B'] });
await device('blank', { kind: 'blanking-panel', rack: 'r12', unit: 6, face: 'front' });
await ask('putNameplate', { params: { model: 'Acme X1' }, body: { draw_w: 500 } });
const model = { system: { manufacturer: 'Acme', product: 'X1' } };
await place('big.example.org', { rack: 'r12', unit: 1, height: 2 }, model);
await place('left', { rack: 'r12', unit: 3, part: 'left', draw_w: 700 });
await place('right', { rack: 'r12', unit: 3, part: 'right', face: 'front', feeds: ['A'], draw_w: 120 });
await place('behind-with-a-long-name', { rack: 'r12', unit: 3, part: '4/4', face: 'rear', feeds: [] });
await place('loose', { rack: 'r12' });

test('rack show draws both faces with numbers, parts, what hangs beside them, and feeds', async () => {
  expect(await rack('show', 'r12')).toBe(`\
rack r12 of site ber: 6 units, room hall-1, row a, position 3, GPUs

     front                                       rear (seen from behind)
     +------------------------------------+      +------------------------------------+
  6  |[blank                             ]|      |[sw1                               ]|a
  5  |                                    |      |                                    |a
  4  |                                    |      |                                    |a
  3  |[left            ][right           ]|b    b|[behind~]         [left            ]|a
  2  |[big.example.org                   ]|b    b|[big.example.org                   ]|a
  1  |[:                                 ]|b    b|[:                                 ]|a
     +------------------------------------+      +------------------------------------+
beside the units (left and right as seen from the front):
  a pdu-a, left, whole height, rear
  b pdu-b, right, units 1-3
in no unit: loose
feeds:
  A 1000 W on ups-1, PDU pdu-a
  B 1000 W, PDU pdu-b`);
});

test('a rack that counts downwards has unit 1 at the top', async () => {
  await put('down', { height: 3, descending: true });
  await place('top', { rack: 'down', unit: 1, height: 2 });
  const lines = (await rack('show', 'ber/down')).split('\n');
  expect(lines[0]).toBe('rack down of site ber: 3 units, unit 1 uppermost');
  expect(lines.slice(4, 7).map((line) => line.slice(0, 12))).toEqual(['  1  |[top  ', '  2  |[:    ', '  3  |      ']);
});

test('rack power tells which nodes go dark, and which feeds are then above their rating', async () => {
  expect(await rack('power', 'r12')).toBe(`\
FEED   RATED W  LOAD W  STATE
ups-1  2000     720
r12/A  1000     720
r12/B  1000     700

nobody knows what these draw (machinedb assign --draw-w, nameplate put):
  loose (rack r12)`);
  expect(await rack('power', 'ber', 'r12', '--fail', 'A')).toBe(`\
FEED   RATED W  LOAD W  AFTER W  STATE
ups-1  2000     720     0
r12/A  1000     720     0        dead
r12/B  1000     700     1300     OVER ITS RATING

when r12/A fails:
  goes dark: right (rack r12, unit 3, 120 W)
  r12/B would carry 1300 W of 1000, and may trip: --fail r12/A,r12/B tells what then goes dark

nobody knows what these draw (machinedb assign --draw-w, nameplate put):
  loose (rack r12)`);
});

test('a feed of the site that fails is followed to all that hangs on it, in every rack and over any length', async () => {
  await put('r13', { height: 4 });
  await feed('A', { rating_w: 100, upstream: 'ups-1' }, 'r13');
  await feed('strip', { rating_w: 100, upstream: 'A' }, 'r13');
  // What others hang on may be written again.
  await feed('A', { rating_w: 100, upstream: 'ups-1' }, 'r13');
  const far = await place('far', { rack: 'r13', unit: 1, draw_w: 80 });
  const power = await ask('getPower', { params: { site: 'ber' }, query: { rack: 'r12', fail: 'ups-1,B' } });
  expect(power.dark.map(({ name }) => name)).toEqual(['big.example.org', 'left', 'loose', 'right', 'sw1', 'far']);
  expect(power.dark.at(-1)).toEqual({ name: 'far', node: far, rack: 'r13', unit: 1, draw_w: 80 });
  expect(power.feeds.filter(({ dead }) => dead).map(({ feed: id }) => id)).toEqual([
    ...['ups-1', 'r12/A', 'r12/B', 'r13/A', 'r13/strip'],
  ]);
  await expect(ask('getPower', { params: { site: 'ber' }, query: { rack: 'r12', fail: 'C' } })).rejects.toThrow(
    'site ber has no power feed "C": it has ups-1, r12/A, r12/B, r13/A, r13/strip',
  );
  await expect(feed('ups-1', { rating_w: 1, upstream: 'ups-1' })).rejects.toThrow(
    'there is no power feed "ups-1" that ups-1 could hang on: machinedb feed list shows them',
  );
  await expect(feed('A', { rating_w: 1, upstream: 'strip' }, 'r13')).rejects.toThrow(
    'feed A would hang on itself: give it an upstream that does not hang on it',
  );
});

test('a rack is named with its site where several have its name, and printed for programs', async () => {
  expect(JSON.parse(await rack('show', 'ber', 'r12', '--json'))).toEqual(
    await ask('getRack', { params: { site: 'ber', rack: 'r12' }, query: {} }),
  );
  expect(JSON.parse(await rack('power', 'ber/r12', '--json'))).toMatchObject({ fail: [] });
  await ask('putSite', { params: { site: 'ams' }, body: {} });
  await ask('putRack', { params: { site: 'ams', rack: 'r12' }, body: { height: 2 } });
  await expect(rack('show', 'r12')).rejects.toThrow('there is a rack r12 in several sites (ams, ber): say SITE/r12');
  const line = '-'.repeat(36);
  expect((await rack('show', 'ams/r12')).split('\n')).toEqual([
    'rack r12 of site ams: 2 units',
    '',
    `     front${' '.repeat(39)}rear (seen from behind)`,
    ...[`     +${line}+      +${line}+`],
    ...[2, 1].map((unit) => `  ${unit}  |${' '.repeat(36)}|      |${' '.repeat(36)}|`),
    ...[`     +${line}+      +${line}+`],
  ]);
  await expect(rack('show', 'r99')).rejects.toThrow('there is no rack "r99": machinedb rack list shows them');
  for (const wrong of [
    ['show'],
    ['show', 'a', 'b', 'c'],
    ['show', 'r12', '--fail', 'A'],
    ['power', 'r12', '--as-of', 'x'],
  ])
    await expect(rack(...wrong)).rejects.toThrow(/^usage: machinedb rack show/);
  expect(await rack('show', '--help')).toMatch(/^usage: machinedb rack show/);
  await ask('deleteRack', { params: { site: 'ams', rack: 'r12' }, query: {} });
});

test('things of one name in two sites do not know each other', async () => {
  await put('twin', { height: 4 });
  await feed('T', { rating_w: 100 }, 'twin');
  const twin = { kind: 'switch', rack: 'twin', unit: 2 };
  const inAms = { params: { site: 'ams', rack: 'twin' }, query: {} };
  await ask('putSite', { params: { site: 'ams' }, body: {} });
  await ask('putRack', { ...inAms, body: { height: 4 } });
  await ask('putFeed', { params: { site: 'ams', feed: 'T' }, query: { rack: 'twin' }, body: { rating_w: 1 } });
  await ask('putFeed', {
    params: { site: 'ams', feed: 'U' },
    query: { rack: 'twin' },
    body: { rating_w: 1, upstream: 'T' },
  });
  await ask('putDevice', { params: { site: 'ams', device: 'tor' }, body: { ...twin, feeds: ['T'] } });
  const before = await ask('getRack', inAms);
  expect(before.items).toMatchObject([{ name: 'tor', unit: 2, feeds: ['T'] }]);
  await device('tor', twin);
  await device('tor', { ...twin, unit: 3 });
  expect(await ask('getRack', inAms)).toEqual(before);
  const gone = { params: { site: 'ber', rack: 'twin', device: 'tor', feed: 'T' }, query: { rack: 'twin' } };
  await ask('deleteDevice', gone);
  await ask('deleteFeed', gone);
  await ask('deleteRack', gone);
  expect(await ask('getRack', inAms)).toEqual(before);
});

test('what is drawn from, stood on or stood in does not go', async () => {
  const gone = async (operation: 'deleteFeed' | 'deleteDevice' | 'deleteRack' | 'deleteRoom', params: object) =>
    await ask(operation, { params: { site: 'ber', ...params }, query: { rack: 'r12' } });
  await expect(gone('deleteFeed', { feed: 'A' })).rejects.toThrow(
    'feed A is drawn from by right: give them another first',
  );
  await expect(gone('deleteDevice', { device: 'pdu-a' })).rejects.toThrow(
    'device "pdu-a" is the PDU of feed A: give it another first',
  );
  await expect(gone('deleteRack', { rack: 'r12' })).rejects.toThrow('rack "r12" has device');
  await expect(gone('deleteRoom', { room: 'hall-1' })).rejects.toThrow('room "hall-1" has rack r12');
  await expect(ask('putRoom', { params: { site: 'ber', room: 'hall-1' }, body: { rows: ['b'] } })).rejects.toThrow(
    'rack r12 stands in row a of room hall-1: put it elsewhere first',
  );
  await expect(put('r12', { height: 6, room: 'hall-1', row: 'z' })).rejects.toThrow(
    'room hall-1 of site ber has no row z: machinedb room list shows them',
  );
  await expect(place('new', { rack: 'r12', unit: 5, feeds: ['Z'] })).rejects.toThrow(
    'there is no power feed Z in rack r12 of site ber: machinedb feed list shows them',
  );
});

test('a rack as of any time is what was shown then', async () => {
  await put('past', { height: 8 });
  const [a, b] = [await place('a', { rack: 'past', unit: 1 }), await place('b', { rack: 'past', unit: 2 })];
  const acts = [
    () =>
      ask('moveNodes', {
        body: {
          items: [
            { node: a, unit: 2 },
            { node: b, unit: 1, part: 'left' },
          ],
          reason: 'x',
        },
      }),
    () => feed('A', { rating_w: 500 }, 'past'),
    () => device('sw9', { kind: 'switch', rack: 'past', unit: 8, face: 'rear' }),
    () => put('past', { height: 9, descending: true }),
    () => ask('assignNode', { params: { node: b }, body: { fqdn: 'b2', feeds: ['A'], draw_w: 5, reason: 'x' } }),
    () => feed('A', { rating_w: 600, upstream: 'ups-1' }, 'past'),
    () => device('sw9', { kind: 'switch', rack: 'r13', unit: 4 }),
    () => ask('moveNodes', { body: { items: [{ node: a, rack: 'r13', unit: 3 }], reason: 'x' } }),
    () => device('sw9', { kind: 'switch', rack: 'past', side: 'right' }),
    () => ask('deleteDevice', { params: { site: 'ber', device: 'sw9' } }),
    () => ask('moveNodes', { body: { items: [{ node: b, rack: null, unit: null, feeds: null }], reason: 'x' } }),
    () => ask('deleteFeed', { params: { site: 'ber', feed: 'A' }, query: { rack: 'past' } }),
  ];
  const look = (as_of?: string) => ask('getRack', { params: { site: 'ber', rack: 'past' }, query: { as_of } });
  const seen: { at: string; view: unknown }[] = [];
  for (const act of acts) {
    await act();
    const { at } = await db
      .selectFrom('event')
      .select((eb) => eb.fn.max('at').as('at'))
      .executeTakeFirstOrThrow();
    // The next act has a later millisecond: an instant of the API is one of JavaScript's.
    seen.push({ at: new Date((at as Date).getTime() + 1).toISOString(), view: await look() });
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  for (const { at, view } of seen) expect(await look(at)).toEqual(view);
  expect(new Set(seen.map(({ view }) => JSON.stringify(view))).size).toBeGreaterThan(9);
  expect((await rack('show', 'past', '--as-of', seen[0]!.at)).split('\n')[0]).toBe(
    `rack past of site ber: 8 units, as of ${seen[0]!.at}`,
  );
  await expect(look('2020-01-01T00:00:00Z')).rejects.toThrow(
    'there is no rack "past" in site "ber" at 2020-01-01T00:00:00Z',
  );
});
