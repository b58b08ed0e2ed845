import { type Change, type Changing, nextChange } from './changes.ts';

export interface GoOnOptions {
  /** Time between two changes, and how long one lasts, milliseconds: each half to one and a half times that. */
  everyMs: number;
  lastsMs: number;
  random: () => number;
  say: (text: string) => void;
  signal: AbortSignal;
  /** Rejects when the signal ends it. */
  sleep: (ms: number) => Promise<unknown>;
}

/** Lets things happen to machines until the signal: each for a time, and one at a time to a machine. A failure is told, and ends nothing. */
export async function goOn(nodes: Changing[], options: GoOnOptions): Promise<void> {
  const { everyMs, lastsMs, random, say, signal, sleep } = options;
  const busy = new Set<Changing>();
  const told = (text: string) => say(`${new Date().toTimeString().slice(0, 8)} ${text}`);
  const attempt = (work: () => Promise<void>) =>
    work().catch((error: Error) => {
      if (!signal.aborted) told(`it was not told: ${error.message}`);
    });
  const endLater = async ({ node, told: what, end }: Change) => {
    if (end !== undefined) {
      await sleep(lastsMs * (0.5 + random()));
      await attempt(end);
      told(`${what.split(':')[0]}: is as before`);
    }
    busy.delete(node);
  };
  for (;;) {
    await sleep(everyMs * (0.5 + random()));
    const change = nextChange(nodes, busy, random);
    if (change === undefined) continue;
    busy.add(change.node);
    told(change.told);
    await attempt(change.begin);
    // Not waited for: several things go on at once. It rejects at the signal only.
    void endLater(change).catch(() => undefined);
  }
}
