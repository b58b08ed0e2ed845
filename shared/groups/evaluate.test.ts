import { expect, test } from 'vitest';
import { belongs } from './evaluate.ts';
import type { Pattern } from './pattern.ts';

const gpu = (model: string, width = 16) => ({ model, link: { width, max_speed_gts: 32 } });
const gpus = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`0000:${i}1:00.0`, gpu('NVIDIA H100 80GB')]));
const facts = {
  gpus: { ...gpus, truncated: { dropped: 2 } },
  memory: { total_bytes: 2e12, dimms: {} },
  system: { product: 'R750', board: { serial: 'B1' } },
  node: { role: 'gpu', unit: 7, tags: { blue: true } },
};
const h100: Pattern = {
  all: [
    { count: 'gpus', where: { model: { contains: 'h100' } }, is: 8 },
    { every: 'gpus', has: { 'link.width': 16, 'link.max_speed_gts': { at_least: 32 } } },
  ],
};

test('8 x H100, all x16 Gen5', () => {
  expect(belongs(h100, facts)).toBe(true);
  const narrow = { ...gpus, '0000:31:00.0': gpu('NVIDIA H100 80GB', 8) };
  expect(belongs(h100, { ...facts, gpus: narrow })).toBe(false);
  const { '0000:01:00.0': _, ...seven } = gpus;
  expect(belongs(h100, { ...facts, gpus: seven })).toBe(false);
});

test.each<[Pattern, boolean]>([
  [{ value: 'system.product', is: 'R750' }, true],
  [{ value: 'system.product', is: 'r750' }, false],
  [{ value: 'system.product', is: { contains: 'r7' } }, true],
  [{ value: 'system.product', is: { one_of: ['R650', 'R750'] } }, true],
  [{ value: 'system.product', is: { not: 'R650' } }, true],
  [{ value: 'system.board.serial', is: { present: true } }, true],
  [{ value: 'system.sku', is: { present: true } }, false],
  [{ value: 'system.sku', is: { present: false } }, true],
  [{ value: 'system.product', is: { present: false } }, false],
  [{ value: 'system.sku', is: { not: 'x' } }, false],
  [{ not: { value: 'system.sku', is: 'x' } }, true],
  [{ value: 'memory.total_bytes', is: { at_least: 2e12, below: 3e12 } }, true],
  [{ value: 'memory.total_bytes', is: { above: 2e12 } }, false],
  [{ value: 'memory.total_bytes', is: { at_most: 1 } }, false],
  [{ value: 'node.unit', is: 7 }, true],
  [{ value: 'node.tags.blue', is: true }, true],
  [{ value: 'node.tags.red', is: { present: false } }, true],
  [{ count: 'memory.dimms', is: 0 }, true],
  // Of none, not every one is as asked.
  [{ every: 'memory.dimms', has: { size_bytes: { above: 0 } } }, false],
  // Nobody knows how many disks there are: they were not reported.
  [{ count: 'disks', is: 0 }, false],
  [{ not: { count: 'disks', is: 0 } }, false],
  [
    {
      any: [
        { count: 'disks', is: 0 },
        { value: 'node.role', is: 'gpu' },
      ],
    },
    true,
  ],
  [
    {
      not: {
        all: [
          { count: 'disks', is: 0 },
          { value: 'node.role', is: 'web' },
        ],
      },
    },
    true,
  ],
])('%j of a node is %s', (pattern, expected) => {
  expect(belongs(pattern, facts)).toBe(expected);
});
