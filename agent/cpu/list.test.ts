import { expect, test } from 'vitest';
import { formatList, parseList, parseMask } from './list.ts';

test('lists and masks of the kernel', () => {
  expect(parseList('0-2,8,10-11\n')).toEqual([0, 1, 2, 8, 10, 11]);
  expect(parseMask('1,00000003\n')).toEqual([0, 1, 32]);
  expect(parseMask('ffffffff,80000000')).toEqual(Array.from({ length: 33 }, (_, bit) => bit + 31));
  expect(formatList([11, 0, 1, 2, 8, 10])).toBe('0-2,8,10-11');
  expect(formatList([])).toBe('');
});

test.each(['', undefined, 'nonsense', '5-3', '-1', '1-', '0x3'])('%j is no CPU', (text) => {
  expect(parseList(text)).toEqual([]);
});

test('a hostile range is bounded', () => {
  expect(parseList('0-99999')).toHaveLength(65536);
});
