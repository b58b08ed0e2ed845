/** Waits until something is so, asked each `interval` milliseconds (a command is half a second's work); throws with what was last seen when `ms` are over. */
export async function until<T>(
  look: () => Promise<T>,
  isSo: (seen: T) => boolean,
  { ms, interval = 2500 }: { ms: number; interval?: number },
): Promise<T> {
  for (const end = performance.now() + ms; ; ) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > end) throw new Error(`after ${ms} ms it is still ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
