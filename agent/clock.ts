/** A clock in milliseconds since 1970. */
export type Clock = () => number;

/**
 * A clock that never shows a time before `floor` and never goes back: a machine whose battery is empty starts in 1970, and
 * must still be able to judge a certificate.
 */
export function floorClock(system: Clock, floor: number): Clock {
  let highest = floor;
  return () => {
    highest = Math.max(highest, system());
    return highest;
  };
}
