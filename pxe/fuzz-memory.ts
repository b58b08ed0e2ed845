import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Fuzzed } from './fuzz-parsers.ts';
import { mutate, seeded } from './testing.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Gives a parser so many inputs with faults. Throws what the parser throws.
 *
 * @returns how many it understood, and bytes by which the heap and its buffers grew over the last nine tenths
 */
export function fuzz({ input, round }: Fuzzed, seed: number, rounds: number): { read: number; grown: number } {
  const random = seeded(seed);
  let [before, read] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    if (i === rounds / 10) before = used();
    if (round(mutate(input, random))) read += 1;
  }
  return { read, grown: used() - before };
}

function used(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
