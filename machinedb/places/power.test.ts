import { expect, test } from 'vitest';
import { defaultFeeds, flow } from './power.ts';

const feed = (id: string, upstream?: string) => ({ id, rating_w: 1000, upstream });

test('what says nothing draws from the feeds of its rack on which no other of the rack hangs', () => {
  const feeds = [feed('ups'), feed('r1/A', 'ups'), feed('r1/A1', 'r1/A'), feed('r1/B', 'ups'), feed('r2/C', 'r1/B')];
  expect(defaultFeeds('r1', feeds)).toEqual(['r1/A1', 'r1/B']);
  const consumer = { feeds: defaultFeeds('r1', feeds), draw_w: 400 };
  const { load } = flow(feeds, [consumer], new Set());
  expect(Object.fromEntries(load)).toEqual({ ups: 400, 'r1/A': 200, 'r1/A1': 200, 'r1/B': 200, 'r2/C': 0 });
  const without = flow(feeds, [consumer], new Set(['r1/A']));
  expect([[...without.dead], without.dark, without.load.get('r1/B')]).toEqual([['r1/A', 'r1/A1'], [], 400]);
});
