import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identifying, otherByteOrder } from '../enrol/match.ts';
import type { Hardware } from '../schema.ts';
import { compare } from './compare.ts';
import { judgeIdentity, type Known } from './verdict.ts';

const uuid = '4c4c4544-0043-3510-8052-b4c04f4d3232';
const one: Hardware = {
  ...{ uuid, serial: 'C5RM22', board_serial: 'B1', chassis_serial: 'CH1', vendor: 'Dell' },
  macs: ['b0:7b:25:00:00:01', 'b0:7b:25:00:00:02'],
  dimms: ['P 01', 'P 02', 'P 03', 'P 04'],
};
const known = (id: string, hardware: Hardware, more: Partial<Known> = {}): Known => ({
  ...{ id, hardware: identifying(hardware), quarantined: false, apart: [] },
  ...more,
});
const common = new Set<string>();

test('each part of a score says what it is made of', () => {
  const now = { ...one, uuid: otherByteOrder(uuid), board_serial: 'B2', macs: ['b0:7b:25:00:00:01'], disk: 'n1' };
  expect(compare(identifying(now), known('n1', one), common)).toEqual({
    score: 50 + 25 + 0 + 25 + 100 + 50 + 1000,
    against: 25,
    evidence: [
      {
        kind: 'uuid',
        points: 50,
        of: 50,
        why: '44454c4c-4300-1035-8052-b4c04f4d3232 is 4c4c4544-0043-3510-8052-b4c04f4d3232 in the other byte order',
      },
      { kind: 'serial', points: 25, of: 25, why: 'both say C5RM22' },
      { kind: 'board', points: 0, of: 25, why: 'B2, and on record B1' },
      { kind: 'chassis', points: 25, of: 25, why: 'both say CH1' },
      { kind: 'dimms', points: 100, of: 100, why: '4 in common, of 4 and 4 on record' },
      { kind: 'macs', points: 50, of: 100, why: '1 in common, of 1 and 2 on record' },
      { kind: 'disk', points: 1000, of: 1000, why: 'its disk carries the identity of this node' },
    ],
  });
});

test('a number that many machines have says nothing, and a chassis that repeats the serial number is no second witness', () => {
  const many = new Set([
    `uuid:${uuid}`,
    'mac:b0:7b:25:00:00:01',
    'dimm:P 01',
    'serial:C5RM22',
    'board:B1',
    'chassis:CH1',
  ]);
  expect(compare(identifying(one), known('n1', one), many)).toMatchObject({
    score: 200,
    evidence: [
      { kind: 'dimms', why: '3 in common, of 3 and 3 on record' },
      { kind: 'macs', why: '1 in common, of 1 and 1 on record' },
    ],
  });
  const repeated = { serial: 'SN7', chassis_serial: 'SN7' };
  expect(compare(repeated, known('n1', repeated), common)).toMatchObject({ score: 25 });
});

test('of two nodes that a person told apart the one that is more like it is it; of two that are alike, nobody knows', () => {
  const a = known('a', { macs: one.macs! });
  const b = known('b', one, { apart: ['a'] });
  expect(judgeIdentity(one, [a, b], common)).toMatchObject({ outcome: 'same', node: 'b', why: 'it is like no other' });
  expect(judgeIdentity(one, [a, known('b', one)], common)).toMatchObject({
    outcome: 'quarantine',
    why: 'it could be any of several nodes',
  });
  const twice = [known('a', one, { apart: ['b'] }), known('b', one, { apart: ['a'] })];
  expect(judgeIdentity(one, twice, common)).toMatchObject({ outcome: 'quarantine' });
});

test('a machine that waits already is that one again, and no second doubt', () => {
  const nodes = [
    known('a', { macs: one.macs! }),
    known('b', { ...one, macs: [] }),
    known('q', one, { quarantined: true }),
  ];
  expect(judgeIdentity(one, nodes, common)).toMatchObject({ outcome: 'same', node: 'q' });
  // With a copied disk, too.
  const copied = { ...one, disk: 'x' };
  const other = known('x', { uuid: crypto.randomUUID(), board_serial: 'B9', macs: ['b0:7b:25:00:00:09'] });
  expect(judgeIdentity(copied, [other, nodes[2]!], common)).toMatchObject({ outcome: 'same', node: 'q' });
  expect(judgeIdentity(copied, [other, known('b', one)], common)).toMatchObject({ outcome: 'quarantine' });
});

const pick = (...values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const machine = fc.record({
  ...{
    uuid: pick(uuid, otherByteOrder(uuid), crypto.randomUUID()),
    serial: pick('S1', 'S2'),
    board_serial: pick('B1', 'B2'),
  },
  macs: fc.uniqueArray(fc.constantFrom('b0:7b:25:00:00:01', 'b0:7b:25:00:00:02', 'b0:7b:25:00:00:03')),
  dimms: fc.uniqueArray(fc.constantFrom('P 01', 'P 02', 'P 03')),
  disk: pick('n0', 'n1'),
}) as fc.Arbitrary<Hardware>;

test('a verdict depends on what is known, not on its order; what is the same node is above the threshold and alone there', () => {
  let quarantined = 0;
  let same = 0;
  fc.assert(
    fc.property(machine, fc.array(machine, { maxLength: 4 }), (claimed, records) => {
      const nodes = records.map((hardware, i) => known(`n${i}`, hardware));
      const verdict = judgeIdentity(identifying(claimed), nodes, common);
      expect(judgeIdentity(identifying(claimed), [...nodes].reverse(), common)).toEqual(verdict);
      quarantined += verdict.outcome === 'quarantine' ? 1 : 0;
      same += verdict.outcome === 'same' ? 1 : 0;
      if (verdict.outcome !== 'same') return;
      expect(verdict.candidates[0]!.score).toBeGreaterThanOrEqual(100);
      expect(verdict.strong).toEqual([verdict.node]);
    }),
    { numRuns: 1000, seed: 11 },
  );
  expect(Math.min(quarantined, same)).toBeGreaterThan(50);
});
