import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { canonical } from './canonical.ts';
import { combine, mergeLayers, mergePatch, REPLACE, settled } from './merge.ts';
import { sections as allSections } from './sections/index.ts';

const key = fc.constantFrom('a', 'b', 'c');
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constant(null), fc.integer(), object(tie('value'))),
}));
function object(member: fc.Arbitrary<unknown>) {
  const mark = fc.option(fc.constant(true), { nil: undefined, freq: 3 });
  return fc
    .tuple(fc.dictionary(key, member), mark)
    .map(([members, is]) => (is === undefined ? members : { ...members, [REPLACE]: is }));
}
const sections = fc.dictionary(key, value);

// The table of RFC 7396, appendix A, as far as it is about objects.
test.each([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j and the patch %j make %j', (before, patch, after) => {
  expect(mergePatch(before, patch)).toEqual(after);
});

test('the narrower layer wins key by key, and null removes what a wider one says', () => {
  expect(
    mergeLayers([
      { layer: 'fleet', sections: { ssh: { password_authentication: false, permit_root_login: 'no' } } },
      { layer: 'role/gpu', sections: { ssh: { permit_root_login: 'yes' }, tags: { gpu: true, old: true } } },
      { layer: 'node/1', sections: { ssh: { password_authentication: null }, tags: { old: null } } },
    ]),
  ).toEqual({ ssh: { permit_root_login: 'yes' }, tags: { gpu: true } });
});

test('an object adds to what wider layers list, null removes from it, and a mark replaces it', () => {
  const wide = [
    { layer: 'fleet', sections: { time: { servers: { a: { iburst: true }, b: {} } } } },
    { layer: 'role/x', sections: { time: { servers: { a: null, c: {} } } } },
  ];
  expect(mergeLayers(wide)).toEqual({ time: { servers: { b: {}, c: {} } } });
  const alone = { layer: 'node/1', sections: { time: { servers: { [REPLACE]: true, a: { prefer: true } } } } };
  expect(mergeLayers([...wide, alone])).toEqual({ time: { servers: { a: { prefer: true } } } });
  expect(mergeLayers([...wide, { layer: 'node/1', sections: { time: { [REPLACE]: true } } }])).toEqual({ time: {} });
  expect(mergeLayers([...wide, { layer: 'rack/ber:r1', sections: { time: { [REPLACE]: true } } }, wide[0]!])).toEqual(
    wide[0]!.sections,
  );
});

test('which neighbouring layers are put together first never matters', () => {
  fc.assert(
    fc.property(value, value, value, (a, b, c) => {
      expect(canonical(combine(combine(a, b), c))).toBe(canonical(combine(a, combine(b, c))));
    }),
    { numRuns: 2000, seed: 7 },
  );
});

test('without marks, layers are merged as patches are (RFC 7396)', () => {
  const { plain } = fc.letrec((tie) => ({
    plain: fc.oneof({ maxDepth: 3 }, fc.constant(null), fc.integer(), fc.dictionary(key, tie('plain'))),
  }));
  fc.assert(
    fc.property(fc.array(fc.dictionary(key, plain), { maxLength: 4 }), (list) => {
      const patched = list.reduce<unknown>((merged, patch) => mergePatch(merged, patch), {});
      expect(canonical(settled(list.reduce<unknown>(combine, {})))).toBe(canonical(patched));
    }),
    { seed: 7 },
  );
});

test('no intent has a list by position, which no layer could add to', () => {
  const withLists = Object.entries(allSections).filter(([name, section]) => {
    // Where a node stands is said by itself alone.
    if (!('intended' in section) || name === 'placement') return false;
    return /"type":"array"/.test(
      JSON.stringify(z.toJSONSchema(section.intended, { io: 'input', unrepresentable: 'any' })),
    );
  });
  expect(withLists.map(([name]) => name)).toEqual([]);
});

test('the order of keys in a layer never matters', () => {
  fc.assert(
    fc.property(fc.array(sections, { maxLength: 5 }), (list) => {
      const layers = list.map((data, i) => ({ layer: String(i), sections: data as Record<string, unknown> }));
      const turned = layers.map(({ layer, sections: data }) => ({ layer, sections: reversed(data) }));
      expect(canonical(mergeLayers(turned as typeof layers))).toBe(canonical(mergeLayers(layers)));
    }),
  );
});

test('no null of a layer is left, and merging changes none of its inputs', () => {
  fc.assert(
    fc.property(fc.array(sections, { maxLength: 5 }), (list) => {
      const layers = list.map((data, i) => ({ layer: String(i), sections: data as Record<string, unknown> }));
      const before = canonical(layers);
      expect(canonical(mergeLayers(layers))).not.toMatch(/null|replace/);
      expect(canonical(layers)).toBe(before);
    }),
  );
});

function reversed(given: unknown): unknown {
  if (given === null || typeof given !== 'object') return given;
  return Object.fromEntries(
    Object.entries(given)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
