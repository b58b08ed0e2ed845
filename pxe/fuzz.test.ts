import { describe, expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { fuzzed } from './fuzz-parsers.ts';

const ROUNDS = 200_000;
const MOST_GROWTH = 20e6;

describe(`${ROUNDS} inputs with faults`, () => {
  test.each(Object.entries(fuzzed))(
    '%s: none throws, and what is understood is in range',
    (_, parser) => {
      const { read, grown } = fuzz(parser, 1, ROUNDS);
      expect(read).toBeGreaterThan(ROUNDS / 1000);
      expect(grown).toBeLessThan(MOST_GROWTH);
    },
    120_000,
  );
});
