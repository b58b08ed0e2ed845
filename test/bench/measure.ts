/** The middle of some numbers. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds that some work takes. */
export async function time(work: () => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Does each piece of work once a round, in turn, so that whatever else the machine does disturbs all alike.
 *
 * @returns what each gave, a number a round
 */
export async function alternate<Name extends string>(
  rounds: number,
  work: Record<Name, (round: number) => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(work) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++) for (const name of names) results[name].push(await work[name](round));
  return results;
}

/** Does something for every item, at most `limit` at a time. */
export async function each<Item>(
  items: Item[],
  limit: number,
  work: (item: Item, index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

/** Prints a figure: its median, and all its rounds. */
export function show(label: string, values: number[], unit: string): void {
  console.log(`  ${label.padEnd(46)} ${round(median(values))} ${unit}  (${values.map(round).join(', ')})`);
}

/** Prints how two medians compare. */
export function showRatio(label: string, a: number[], b: number[]): void {
  console.log(`  ${label.padEnd(46)} ${(median(a) / median(b)).toPrecision(3)}`);
}

const round = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
