/** Most things of one kind in a report: a machine with 10,000 disks is a broken or a hostile one. */
export const most = 2048;

/**
 * Things by key. Of two things with one key neither owns it, so both take their second key. Beyond `limit` things, in
 * the order of their keys, the rest is the entry `truncated: {dropped}`.
 */
export function keyed<T>(
  things: { keys: (string | undefined)[]; value: T }[],
  limit = most,
): Record<string, T | { dropped: number }> {
  const entries = choose(things, 0).sort(([a], [b]) => (a < b ? -1 : 1));
  const dropped = entries.length - limit;
  if (dropped <= 0) return Object.fromEntries(entries);
  return { ...Object.fromEntries(entries.slice(0, limit)), truncated: { dropped } };
}

function choose<T>(things: { keys: (string | undefined)[]; value: T }[], index: number): [string, T][] {
  const shared = new Map<string | undefined, typeof things>();
  for (const thing of things) {
    const key = thing.keys[index];
    const same = shared.get(key);
    if (same === undefined) shared.set(key, [thing]);
    else same.push(thing);
  }
  return [...shared].flatMap(([key, same]): [string, T][] => {
    if (key !== undefined && same.length === 1) return same.map(({ value }) => [key, value]);
    const more = same.filter(({ keys }) => keys.length > index + 1);
    return choose(more, index + 1);
  });
}
