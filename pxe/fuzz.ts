import type { Fuzzed } from './fuzz-parsers.ts';
import { memoryInUse } from './memory-in-use.ts';
import { mutate, seeded } from './testing.ts';

/**
 * Gives a parser so many inputs with faults. Throws what the parser throws.
 *
 * @returns how many it understood, and bytes by which the heap and its buffers grew over the last nine tenths
 */
export function fuzz({ input, round }: Fuzzed, seed: number, rounds: number): { read: number; grown: number } {
  if (!round(input)) throw new Error(`the input without faults is not understood: ${input.toString('hex')}`);
  const random = seeded(seed);
  let [before, read] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    if (i === rounds / 10) before = memoryInUse();
    if (round(mutate(input, random))) read += 1;
  }
  return { read, grown: memoryInUse() - before };
}
