import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changes, differences } from './diff.ts';

test('only what is wanted is compared', () => {
  const wanted = { interfaces: { eth0: { mtu: 9000, addresses: { '10.0.0.5/24': {} } } } };
  const observed = {
    interfaces: { eth0: { mtu: 1500, mac: '52:54:00:00:00:01', addresses: {} }, eth1: { mtu: 1500 } },
  };
  expect(differences(wanted, observed)).toEqual([
    { path: '/interfaces/eth0/mtu', kind: 'mismatch', expected: 9000, got: 1500 },
    { path: '/interfaces/eth0/addresses/10.0.0.5~124', kind: 'missing', expected: {} },
  ]);
});

test('what was not observed is unknown, never equal', () => {
  expect(differences({ hostname: 'a' }, undefined)).toEqual([
    { path: '', kind: 'unknown', expected: { hostname: 'a' } },
  ]);
});

test('changes name what came, went and became another', () => {
  expect(changes({ a: 1, b: { c: 1 }, d: 1 }, { a: 2, b: { c: 1 }, e: { f: 1 } })).toEqual([
    { path: '/a', from: 1, to: 2 },
    { path: '/d', from: 1 },
    { path: '/e', to: { f: 1 } },
  ]);
});

test('a value never differs from itself, nor from itself with more', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()), (a, more) => {
      expect(changes(a, a)).toEqual([]);
      expect(differences(a, a)).toEqual([]);
      expect(differences(a, { ...more, ...a })).toEqual([]);
    }),
  );
});
