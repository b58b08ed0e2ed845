import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, now, db } = await withIntents();
const placed = async (unit: number, fqdn: string, more: object = {}) => {
  const id = await node();
  const body = { site: 'ber', rack: 'r1', unit, fqdn, ...more, reason: 'test' };
  await ask('assignNode', { params: { node: id }, body });
  return id;
};
const move = (items: object[], query: object = {}) =>
  ask('moveNodes', { query, body: { items, reason: 'the rack is put in order' } });
const places = async (...ids: string[]) =>
  (await Promise.all(ids.map(now))).map(({ site, rack, unit }) => `${site}/${rack}/${unit}`);

test('two nodes change places in one write, and keep what is not said', async () => {
  const [a, b] = [await placed(1, 'a.example.org', { height: 2, draw_w: 300 }), await placed(3, 'b.example.org')];
  const plan = await move([
    { node: 'a.example.org', unit: 3 },
    { node: b, unit: 1, height: 2 },
  ]);
  expect(plan).toMatchObject({ applied: true, affected: 2 });
  expect(await places(a, b)).toEqual(['ber/r1/3', 'ber/r1/1']);
  expect((await now(a)).wanted.placement).toEqual({ site: 'ber', rack: 'r1', unit: 3, height: 2, draw_w: 300 });
  const event = await db
    .selectFrom('event')
    .select(['subject', 'actor', 'reason', 'data'])
    .where('kind', '=', 'nodes.moved')
    .executeTakeFirstOrThrow();
  expect(event).toMatchObject({ subject: 'fleet', actor: 'ann', reason: 'the rack is put in order' });
});

test('a write that cannot be done wholly is not done at all, and each error names its node', async () => {
  const [c, d] = [await placed(7, 'c.example.org'), await placed(8, 'd.example.org')];
  const items = [
    { node: c, unit: 9 },
    { node: d, unit: 3 },
    { node: 'nobody', unit: 4 },
    { node: c, unit: 10 },
  ];
  await expect(move(items)).rejects.toMatchObject({
    status: 404,
    message:
      '2 of 4 cannot be moved, so none is: nobody: there is no node "nobody" by id or intended FQDN: machinedb nodes lists them',
    errors: [
      {
        detail: 'nobody: there is no node "nobody" by id or intended FQDN: machinedb nodes lists them',
        pointer: '/items/2',
      },
      { detail: `${c}: it is moved twice: say once where it is to stand`, pointer: '/items/3' },
    ],
  });
  await expect(move([items[0]!, { node: d, rack: 'r9' }])).rejects.toMatchObject({
    message: expect.stringMatching(/^1 of 2 cannot be moved, so none is: .*there is no rack "r9"/),
    errors: [{ detail: expect.stringContaining(`${d}: there is no rack "r9"`), pointer: '/items/1' }],
  });
  await expect(move([items[0]!, { node: d, unit: 11 }])).rejects.toMatchObject({
    status: 400,
    errors: [{ detail: `${d}: units 11-11 do not fit: rack r1 of site ber has 10`, pointer: '/items/1' }],
  });
  await expect(move([items[1]!, { node: c, unit: 1 }])).rejects.toMatchObject({
    status: 409,
    message: expect.stringMatching(/^2 of 2 cannot be moved, so none is: .*taken by a.example.org/),
    errors: [
      { detail: `${d}: unit 3 of rack r1 in site ber is taken by a.example.org (units 3-4)`, pointer: '/items/0' },
      { detail: `${c}: unit 1 of rack r1 in site ber is taken by b.example.org (units 1-2)`, pointer: '/items/1' },
    ],
  });
  expect(await places(c, d)).toEqual(['ber/r1/7', 'ber/r1/8']);
  // Two that are moved onto each other are told apart, too: the one of the lower UUID is first.
  const [first, second] = c < d ? ['c', d] : ['d', c];
  await expect(
    move([
      { node: c, unit: 10 },
      { node: d, unit: 10 },
    ]),
  ).rejects.toMatchObject({
    errors: [
      {
        detail: `${second}: unit 10 of rack r1 in site ber is taken by ${first}.example.org (units 10)`,
        pointer: c < d ? '/items/1' : '/items/0',
      },
    ],
  });
});

test('a dry run moves nothing, and max_affected guards', async () => {
  const e = await placed(9, 'e.example.org');
  expect(await move([{ node: e, unit: 10 }], { dry_run: true })).toMatchObject({ applied: false, affected: 1 });
  expect(await places(e)).toEqual(['ber/r1/9']);
  await expect(move([{ node: e, unit: 10 }], { max_affected: 0 })).rejects.toMatchObject({ status: 422 });
  await move([{ node: e, rack: null, unit: null }]);
  expect(await places(e)).toEqual(['ber/null/null']);
});

test('halves, quarters and the sides of a rack are places of their own', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'parts' }, body: { height: 4 } });
  const at = (fqdn: string, more: object) => placed(2, `${fqdn}.example.org`, { rack: 'parts', ...more });
  await at('left', { part: 'left', face: 'front' });
  await at('right', { part: 'right', face: 'front' });
  await at('rear', { part: 'left', face: 'rear' });
  await expect(at('x', { part: '1/4', face: 'front' })).rejects.toThrow(
    'unit 2 of rack parts in site ber is taken by left.example.org (units 2)',
  );
  await at('quarter', { part: '3/4', face: 'rear' });
  await at('last', { part: '4/4', face: 'rear' });
  await expect(at('y', { part: '2/3', face: 'rear' })).rejects.toMatchObject({ status: 409 });
  const pdu = (name: string, more: object) =>
    ask('putDevice', { params: { site: 'ber', device: name }, body: { kind: 'pdu', rack: 'parts', ...more } });
  await pdu('pdu-a', { side: 'left' });
  await pdu('pdu-b', { side: 'right', unit: 1, height: 4 });
  await expect(pdu('pdu-c', { side: 'left', unit: 3 })).rejects.toThrow(
    'unit 3 of rack parts in site ber is taken by pdu-a (the whole side)',
  );
  await expect(pdu('pdu-b', { side: 'left' })).rejects.toThrow(
    'the left side of rack parts in site ber is taken by pdu-a (the whole side)',
  );
});

test('whatever several writers place, move and swap at once, nothing ever overlaps', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'p1' }, body: { height: 4 } });
  await ask('putRack', { params: { site: 'ber', rack: 'p2' }, body: { height: 4, descending: true } });
  const nodes = await Promise.all(Array.from({ length: 6 }, () => node()));
  const parts = [undefined, 'left', 'right', '1/3', '2/3', '3/3', '1/4', '2/4', '3/4', '4/4'] as const;
  const place = fc.record({
    who: fc.integer({ min: 0, max: 5 }),
    rack: fc.constantFrom('p1', 'p2'),
    unit: fc.integer({ min: 1, max: 5 }),
    height: fc.integer({ min: 1, max: 2 }),
    face: fc.constantFrom('front', 'rear', 'both'),
    part: fc.constantFrom(...parts),
    side: fc.constantFrom(undefined, undefined, undefined, 'left', 'right'),
  });
  const write = fc.uniqueArray(place, { minLength: 1, maxLength: 3, selector: ({ who }) => who });
  let done = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 4, maxLength: 4 }), async (writes) => {
      // Each write comes from a writer of its own, all at once.
      const outcomes = await Promise.allSettled(
        writes.map((items) =>
          move(
            items.map(({ who, part, side, ...where }) => ({
              ...{ node: nodes[who]!, site: 'ber', ...where },
              ...{ part: side === undefined ? (part ?? null) : null, side: side ?? null },
            })),
          ),
        ),
      );
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          expect(outcome.reason).toMatchObject({ name: 'Error', errors: expect.anything() });
      done += outcomes.filter(({ status }) => status === 'fulfilled').length;
      const standing = (await Promise.all(nodes.map(now))).map(({ wanted }) => wanted.placement).filter(Boolean);
      const cells = standing.flatMap((it) => cellsOf(it as never));
      expect(new Set(cells).size).toBe(cells.length);
      // What the nodes are wanted to be is what PostgreSQL guards.
      const rows = await db.selectFrom('placement').select('node').where('rack', 'in', ['p1', 'p2']).execute();
      expect(rows).toHaveLength(standing.length);
    }),
    { numRuns: 10, seed: 7 },
  );
  expect(done).toBeGreaterThan(10);
});

/** The model: every twelfth of every unit of every face, by name. */
function cellsOf(it: {
  rack: string;
  unit: number;
  height?: number;
  face?: string;
  part?: string;
  side?: string;
}): string[] {
  const [at, of] = { left: [1, 2], right: [2, 2] }[it.part ?? ''] ?? (it.part ?? '1/1').split('/').map(Number);
  const width = 12 / of!;
  const lanes =
    it.side === undefined ? Array.from({ length: width }, (_, i) => `${(at! - 1) * width + i}`) : [`beside ${it.side}`];
  const faces = it.face === undefined || it.face === 'both' ? ['front', 'rear'] : [it.face];
  return Array.from({ length: it.height ?? 1 }, (_, i) => it.unit + i).flatMap((unit) =>
    faces.flatMap((face) => lanes.map((lane) => `${it.rack} ${unit} ${face} ${lane}`)),
  );
}
