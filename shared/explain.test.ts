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

test('what a narrower layer removes as a whole, it removes value by value', () => {
  expect(
    explain([
      { layer: 'fleet', sections: { network: { interfaces: { eth0: { mtu: 9000, dhcp4: true } } } } },
      { layer: 'role/x', sections: { network: { interfaces: { eth0: null } } } },
      { layer: 'node/1', sections: { network: 1 } },
    ]),
  ).toEqual([
    {
      path: '/network',
      value: 1,
      layer: 'node/1',
      overrides: [],
    },
    {
      path: '/network/interfaces',
      layer: 'node/1',
      overrides: [{ layer: 'role/x', value: {} }],
    },
    {
      path: '/network/interfaces/eth0/dhcp4',
      layer: 'role/x',
      overrides: [{ layer: 'fleet', value: true }],
    },
    {
      path: '/network/interfaces/eth0/mtu',
      layer: 'role/x',
      overrides: [{ layer: 'fleet', value: 9000 }],
    },
  ]);
});

test('what a layer replaces is told value by value, and so is what it put there', () => {
  const servers = { a: { iburst: true }, b: { prefer: true } };
  expect(
    explain([
      { layer: 'fleet', sections: { time: { servers } } },
      { layer: 'node/1', sections: { time: { servers: { $replace: true, a: { prefer: true } } } } },
    ]),
  ).toEqual([
    { path: '/time/servers/a/iburst', layer: 'node/1', overrides: [{ layer: 'fleet', value: true }] },
    { path: '/time/servers/a/prefer', value: true, layer: 'node/1', overrides: [] },
    { path: '/time/servers/b/prefer', layer: 'node/1', overrides: [{ layer: 'fleet', value: true }] },
  ]);
});

const key = fc.constantFrom('a', 'b', 'c/d');
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.integer(),
    fc.constant([1]),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }).map((members) => ({ ...members, $replace: true })),
  ),
}));
const layers = fc
  .array(fc.dictionary(key, value), { maxLength: 5 })
  .map((list) => list.map((sections, i) => ({ layer: String(i), sections: sections as Record<string, unknown> })));

test('whatever layers say, what is explained is what is merged', () => {
  fc.assert(
    fc.property(layers, (list) => {
      const told = explain(list).filter((entry) => 'value' in entry);
      expect(told.map((entry) => [entry.path, entry.value])).toEqual(leaves(mergeLayers(list), ''));
    }),
    { numRuns: 1000 },
  );
});

test('no place is told twice, and each of its layers speaks once, widest first', () => {
  fc.assert(
    fc.property(layers, (list) => {
      const paths = explain(list).map(({ path }) => path);
      expect(new Set(paths).size).toBe(paths.length);
      for (const { layer, overrides } of explain(list)) {
        const order = [...overrides.map((said) => Number(said.layer)), Number(layer)];
        expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
      }
    }),
  );
});

function leaves(given: unknown, path: string): [string, unknown][] {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) return [[path, given]];
  const members = Object.entries(given);
  if (members.length === 0) return path === '' ? [] : [[path, given]];
  return members
    .flatMap(([name, member]) => leaves(member, `${path}/${name.replaceAll('/', '~1')}`))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
