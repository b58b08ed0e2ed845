import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain } from './explain.ts';
import { mergeLayers } from './merge.ts';

test('every value names its layer and what it overrides', () => {
  expect(
    explain([
      { layer: 'fleet', sections: { hostname: { domain: 'example.org' }, tags: { a: true } } },
      { layer: 'site/ber', sections: { hostname: { domain: 'ber.example.org' } } },
      { layer: 'node/1', sections: { hostname: { hostname: 'n1' }, tags: { a: null, 'x/y': true } } },
    ]),
  ).toEqual([
    {
      path: '/hostname/domain',
      value: 'ber.example.org',
      layer: 'site/ber',
      overrides: [{ layer: 'fleet', value: 'example.org' }],
    },
    { path: '/hostname/hostname', value: 'n1', layer: 'node/1', overrides: [] },
    { path: '/tags/a', layer: 'node/1', overrides: [{ layer: 'fleet', value: true }] },
    { path: '/tags/x~1y', value: true, layer: 'node/1', overrides: [] },
  ]);
});

test('for layers of equal shape, what is explained is what is merged', () => {
  const leaves = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.option(fc.integer()));
  fc.assert(
    fc.property(fc.array(leaves, { maxLength: 5 }), (list) => {
      const layers = list.map((tags, i) => ({ layer: String(i), sections: { tags } }));
      const merged = mergeLayers(layers).tags as Record<string, number> | undefined;
      const explained = explain(layers).filter(({ path, value }) => path !== '/tags' && value !== undefined);
      expect(Object.fromEntries(explained.map(({ path, value }) => [path.slice(6), value]))).toEqual(merged ?? {});
    }),
  );
});
