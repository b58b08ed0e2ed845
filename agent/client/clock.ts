/** A clock in milliseconds since 1970. */
export type Clock = () => number;

/**
 * A clock that never shows a time before `floor` and never stands or goes back: a machine whose battery is empty starts in
 * 1970, and must still be able to judge a certificate and to know when its next heartbeat is due.
 * @param elapsed milliseconds by a clock that only runs forward, from any beginning
 */
export function floorClock(system: Clock, floor: number, elapsed: Clock = () => performance.now()): Clock {
  let shown = floor;
  let at = elapsed();
  return () => {
    const now = elapsed();
    shown = Math.max(shown + now - at, system());
    at = now;
    return shown;
  };
}
