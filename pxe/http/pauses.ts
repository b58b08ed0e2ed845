/** How a boot script waits before it asks again: `firstS` seconds, and `moreS` more each time. */
export interface Pauses {
  firstS: number;
  moreS: number;
}

/**
 * Pauses for one script. Loaders have no chance of their own and know no Retry-After, so each machine gets its own pauses with its
 * script: a rack that was turned away as one does not come back as one.
 *
 * @param random uniform in [0, 1)
 */
export function pausesOf(random: () => number): Pauses {
  return { firstS: 3 + Math.floor(random() * 4), moreS: 1 + Math.floor(random() * 4) };
}
