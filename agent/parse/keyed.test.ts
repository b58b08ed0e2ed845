import { expect, test } from 'vitest';
import { keyed } from './keyed.ts';

const thing = (...keys: (string | undefined)[]) => ({ keys, value: { keys } });
const keysOf = (things: ReturnType<typeof thing>[], limit?: number) => Object.keys(keyed(things, limit));

test('the first key there is', () => {
  expect(keysOf([thing('b', 'x'), thing(undefined, 'a')])).toEqual(['a', 'b']);
});

test('a key that two have is neither one’s', () => {
  expect(keysOf([thing('same', 'a'), thing('same', 'b'), thing('other', 'c')])).toEqual(['a', 'b', 'other']);
});

test('what lies beyond the limit is counted', () => {
  expect(keyed([thing('c'), thing('a'), thing('b')], 2)).toEqual({
    a: { keys: ['a'] },
    b: { keys: ['b'] },
    truncated: { dropped: 1 },
  });
});

test('a key that JavaScript knows is a key like any other', () => {
  expect(JSON.stringify(keyed([thing('__proto__')]))).toBe('{"__proto__":{"keys":["__proto__"]}}');
});
