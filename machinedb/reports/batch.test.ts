import { expect, test } from 'vitest';
import { createBatcher } from './batch.ts';

const base = { size: 3, waiting: 100, keyOf: (item: string) => item[0]! };

test('items of one turn share a batch, at most its size, and one of a key', async () => {
  const batches: string[][] = [];
  const batcher = createBatcher<string, string>({
    ...base,
    run: async (items) => {
      batches.push(items);
      return items.map((item) => item.toUpperCase());
    },
  });
  expect(await Promise.all(['a1', 'b1', 'a2', 'c1', 'd1'].map((item) => batcher.put(item)))).toEqual([
    'A1',
    'B1',
    'A2',
    'C1',
    'D1',
  ]);
  expect(batches).toEqual([
    ['a1', 'b1', 'c1'],
    ['a2', 'd1'],
  ]);
});

test('a batch that fails is tried item by item, so that one bad item harms no other', async () => {
  const batcher = createBatcher<string, string>({
    ...base,
    run: async (items) => {
      if (items.includes('bad')) throw new Error('bad was in it');
      return items;
    },
  });
  const results = await Promise.allSettled(['a', 'bad', 'c'].map((item) => batcher.put(item)));
  expect(
    results.map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as Error).message)),
  ).toEqual(['a', 'bad was in it', 'c']);
});

test('100: a full queue refuses, and says when to come again', async () => {
  const batcher = createBatcher<string, string>({ ...base, waiting: 1, run: async (items) => items });
  const first = batcher.put('a');
  expect(() => batcher.put('b')).toThrow('too much is waiting to be written: try again');
  expect(await first).toBe('a');
});

test('what comes within the spacing shares a batch; the first goes at once, and so does a full batch', async () => {
  const batches: string[][] = [];
  const batcher = createBatcher<string, string>({
    ...base,
    spacingMs: 300,
    run: async (items) => {
      batches.push(items);
      return items;
    },
  });
  const start = performance.now();
  await batcher.put('a');
  expect(performance.now() - start).toBeLessThan(250);
  const later = ['b', 'c'].map((item) => batcher.put(item));
  await new Promise((resolve) => setTimeout(resolve, 20));
  later.push(batcher.put('d'));
  await Promise.all(later);
  expect(performance.now() - start).toBeGreaterThan(295);
  await Promise.all(['e', 'f', 'g', 'h'].map((item) => batcher.put(item)));
  expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f', 'g'], ['h']]);
});

test('the next batch is begun before the answers of the one before are given', async () => {
  const told: string[] = [];
  const batcher = createBatcher<string, string>({
    ...base,
    run: async (items) => {
      told.push(`run ${items}`);
      // As a pool does, which gives a connection after some turns.
      for (let i = 0; i < 20; i++) await undefined;
      told.push(`sent ${items}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return items;
    },
  });
  await Promise.all(['a1', 'a2'].map(async (item) => told.push(`answered ${await batcher.put(item)}`)));
  expect(told).toEqual(['run a1', 'sent a1', 'run a2', 'sent a2', 'answered a1', 'answered a2']);
});
