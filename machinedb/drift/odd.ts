/** A distinct set of traits within a group of machines that are alike, and how many have it. */
export interface TraitSet {
  digest: string;
  count: number;
  traits: Record<string, string>;
}

export interface Odd {
  path: string;
  /** What most have; undefined: most have no such fact. */
  majority: string | undefined;
  majority_count: number;
  of: number;
  value: string | undefined;
  count: number;
  digests: string[];
}

/**
 * Where a few differ from most: each fact of which at least `share` of the group have one value, and each other value of it,
 * the rarest first. A fact that is different on each machine has no majority, and is not told.
 *
 * @param least how many have to be alike before anything is said
 */
export function oddOnes(sets: TraitSet[], { least, share }: { least: number; share: number }): Odd[] {
  const of = sets.reduce((sum, { count }) => sum + count, 0);
  if (of < least) return [];
  const odd: Odd[] = [];
  for (const path of new Set(sets.flatMap(({ traits }) => Object.keys(traits)))) {
    const values = Map.groupBy(sets, ({ traits }) => traits[path]);
    const counted = [...values].map(([value, list]) => ({
      value,
      count: list.reduce((sum, { count }) => sum + count, 0),
      digests: list.map(({ digest }) => digest),
    }));
    const most = counted.reduce((a, b) => (b.count > a.count ? b : a));
    if (most.count < share * of) continue;
    for (const { value, count, digests } of counted)
      if (value !== most.value)
        odd.push({ path, majority: most.value, majority_count: most.count, of, value, count, digests });
  }
  return withoutEchoes(odd).sort((a, b) => a.count - b.count || (a.path < b.path ? -1 : 1));
}

/** A missing part shows in each fact that all parts have ("23 x DDR5" of "24 x DDR5"): where that is all, the count alone says it. */
function withoutEchoes(odd: Odd[]): Odd[] {
  const counts = new Map(
    odd
      .filter(({ path }) => path.endsWith('.count'))
      .map((each) => [`${each.path.slice(0, -'count'.length)} ${each.digests.join()}`, each]),
  );
  return odd.filter(({ path, digests, majority, value }) => {
    for (let at = path.lastIndexOf('.'); at > 0; at = path.lastIndexOf('.', at - 1)) {
      const parts = counts.get(`${path.slice(0, at + 1)} ${digests.join()}`);
      const rest = majority?.startsWith(`${parts?.majority} x `) ? majority.slice(`${parts?.majority} x `.length) : '';
      if (rest !== '' && value === `${parts?.value} x ${rest}`) return false;
    }
    return true;
  });
}
