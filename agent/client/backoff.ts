const FIRST_MS = 1000;
const MOST_MS = 60_000;
const RETRY_AFTER_LEAST_S = 1;
const RETRY_AFTER_MOST_S = 900;

/**
 * How long to wait after the nth failure in a row (n from 1): full jitter up to 1, 2, 4 ... 60 s, so that a fleet that lost
 * its server does not come back in step. A server's own Retry-After (seconds) is obeyed between 1 s and 15 min.
 */
export function backoffMs(failures: number, random: () => number, retryAfterS?: number): number {
  if (retryAfterS !== undefined) {
    const seconds = Math.min(Math.max(retryAfterS, RETRY_AFTER_LEAST_S), RETRY_AFTER_MOST_S);
    return Math.round(seconds * 1000 * (1 + 0.2 * random()));
  }
  return Math.round(Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10)) * random());
}
