import { expect, test } from 'vitest';
import { keyForms, makeCursor, readCursor, toPage } from './page.ts';

const refusal = 'the cursor is not one that a list gave: start again without it';

test('a cursor gives back its key', () => {
  expect(readCursor(makeCursor('ber/r1 ä'))).toBe('ber/r1 ä');
  expect(readCursor(undefined)).toBeUndefined();
});

test('91 a cursor that was tampered with, or that another list gave, is refused', () => {
  const cursor = makeCursor('17');
  for (const wrong of [
    `A${cursor}`,
    `${cursor}x`,
    cursor.slice(0, -1),
    '',
    '.',
    'é'.repeat(8),
    `${cursor.split('.')[0]}.${'é'.repeat(12)}`,
  ])
    expect(() => readCursor(wrong), wrong).toThrow(refusal);
  expect(readCursor(cursor, keyForms.seq)).toBe('17');
  expect(() => readCursor(cursor, keyForms.id)).toThrow(refusal);
  expect(() => readCursor(makeCursor('NaN'), keyForms.seq)).toThrow(refusal);
});

test('a page names the next only when there is more', () => {
  const keyOf = (n: number) => String(n);
  expect(toPage([1, 2], 2, keyOf, keyOf)).toEqual({ items: ['1', '2'] });
  expect(toPage([1, 2, 3], 2, keyOf, keyOf)).toEqual({ items: ['1', '2'], next: makeCursor('2') });
});
