import fc from 'fast-check';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withIntents } from '../testing/intents.ts';
import { storeIntendedMacs, storePlacement } from './placements.ts';

const { ask, node, now, db } = await withIntents();
const place = (id: string, body: object) =>
  ask('assignNode', { params: { node: id }, body: { site: 'ber', rack: 'r1', ...body, reason: 'test' } });

test('two machines never share rack units, and the error names who is there', async () => {
  const first = await node();
  await place(first, { unit: 3, height: 2, fqdn: 'first.example.org' });
  expect(await now(first)).toMatchObject({ site: 'ber', rack: 'r1', unit: 3 });
  const second = await node();
  await expect(place(second, { unit: 4 })).rejects.toMatchObject({
    status: 409,
    message: 'unit 4 of rack r1 in site ber is taken by first.example.org (units 3-4)',
  });
  await place(second, { unit: 5 });
  await expect(place(second, { unit: 10, height: 2 })).rejects.toThrow(
    'units 10-11 do not fit: rack r1 of site ber has 10',
  );
  await expect(ask('putRack', { params: { site: 'ber', rack: 'r1' }, body: { height: 4 } })).rejects.toThrow(
    'unit 5 of rack r1 in site ber is taken: a height of 4 would cut it off',
  );
});

test('a rack that shrinks while a machine is placed cuts none off', async () => {
  const putRack = (height: number) => ask('putRack', { params: { site: 'ber', rack: 'shrinks' }, body: { height } });
  for (const first of ['place', 'shrink']) {
    await putRack(40);
    const id = await node();
    const shrink = () => putRack(20).then(() => 'shrunk', String);
    const go = () => place(id, { rack: 'shrinks', unit: 40 }).then(() => 'placed', String);
    // The other begins while the first has decided, and not yet committed.
    const other = await transaction(db, async (tx) => {
      if (first === 'place') await storePlacement(tx, id, { site: 'ber', rack: 'shrinks', unit: 40 });
      else await tx.updateTable('rack').set({ height: 20 }).where('name', '=', 'shrinks').execute();
      const waiting = first === 'place' ? shrink() : go();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { waiting };
    });
    expect(await other.waiting).toBe(
      first === 'place'
        ? 'Error: unit 40 of rack shrinks in site ber is taken: a height of 20 would cut it off'
        : 'Error: units 40-40 do not fit: rack shrinks of site ber has 20',
    );
    await db.deleteFrom('placement').where('node', '=', id).execute();
  }
});

test('front and rear of a unit are two places', async () => {
  const [front, rear, both] = [await node(), await node(), await node()];
  await place(front, { unit: 8, face: 'front' });
  await place(rear, { unit: 8, face: 'rear' });
  await expect(place(both, { unit: 8 })).rejects.toMatchObject({ code: 'conflict' });
});

test('whatever is placed, no unit of a face has two machines', async () => {
  await ask('putRack', { params: { site: 'ber', rack: 'any' }, body: { height: 6 } });
  const nodes = await Promise.all(Array.from({ length: 4 }, () => node()));
  const wish = fc.record({
    who: fc.integer({ min: 0, max: 3 }),
    unit: fc.integer({ min: 1, max: 7 }),
    height: fc.integer({ min: 1, max: 3 }),
    face: fc.constantFrom('front', 'rear', 'both'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(wish, { maxLength: 8 }), async (wishes) => {
      await db.deleteFrom('placement').where('rack', '=', 'any').execute();
      const taken = new Map<number, string[]>();
      for (const { who, unit, height, face } of wishes) {
        const sides = face === 'both' ? ['front', 'rear'] : [face];
        const cells = sides.flatMap((side) => Array.from({ length: height }, (_, i) => `${side} ${unit + i}`));
        const others = [...taken].filter(([owner]) => owner !== who).flatMap(([, theirs]) => theirs);
        const fits = unit + height - 1 <= 6 && !cells.some((cell) => others.includes(cell));
        const stored = transaction(db, (tx) =>
          storePlacement(tx, nodes[who]!, { site: 'ber', rack: 'any', unit, height, face }),
        );
        if (fits) taken.set(who, cells);
        await (fits ? stored : expect(stored).rejects.toMatchObject({ name: 'Error' }));
      }
    }),
    { numRuns: 40 },
  );
});

test('a MAC is intended for one machine', async () => {
  const [a, b] = [await node(), await node()];
  await transaction(db, (tx) => storeIntendedMacs(tx, new Map([[a, ['52:54:00:00:00:01']]])));
  await expect(transaction(db, (tx) => storeIntendedMacs(tx, new Map([[b, ['52:54:00:00:00:01']]])))).rejects.toThrow(
    `MAC 52:54:00:00:00:01 is intended for node ${a} already: a port is in one machine`,
  );
});
