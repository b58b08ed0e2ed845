import { expect, test } from 'vitest';
import { table, tree } from './render.ts';

test('81: escape sequences of a vendor string are shown, not obeyed', () => {
  expect(
    table(
      ['name', 'model'],
      [
        ['a', '\u001b[2J<b>evil'],
        ['bb', undefined],
      ],
    ),
  ).toBe('NAME  MODEL\na     \\x1b[2J<b>evil\nbb');
});

test('what is not there is an empty item', () => {
  expect(tree([{ x: 1, y: null }, null, 'text', []])).toBe('- x: 1\n  y: \n- \n- text\n- ');
  expect(tree(null)).toBe('');
});

test('a value is shown as a tree, with lists of objects as items', () => {
  expect(
    tree({
      id: 1,
      tags: ['a', 'b'],
      keys: [{ kind: 'ed25519', status: 'current' }, { kind: 'p256' }],
      none: {},
      gone: undefined,
    }),
  ).toBe(
    ['id: 1', 'tags: a, b', 'keys:', '  - kind: ed25519', '    status: current', '  - kind: p256', 'none: {}'].join(
      '\n',
    ),
  );
});
