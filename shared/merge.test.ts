import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonical } from './canonical.ts';
import { mergeLayers, mergePatch } from './merge.ts';

const key = fc.constantFrom('a', 'b', 'c');
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constant(null), fc.integer(), fc.dictionary(key, tie('value'))),
}));
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
      expect(canonical(mergeLayers(layers))).not.toContain('null');
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
