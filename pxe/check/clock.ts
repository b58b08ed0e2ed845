import type { Finding } from './finding.ts';

/** Nothing of this program is older: a clock that says so is wrong. */
const FLOOR = Date.UTC(2026, 0, 1);
const MOST_APART_MS = 60_000;

/**
 * Whether a clock can be right. Machines that boot are told the time by this one.
 *
 * @param now milliseconds since 1970, here
 * @param server the same, at the server that keeps the inventory; undefined: it did not answer
 */
export function judgeClock(now: number, server: number | undefined): Finding[] {
  const here = new Date(now).toISOString();
  const way = 'set the clock, and keep it by NTP (timedatectl set-ntp true)';
  if (now < FLOOR)
    return [
      {
        ...{ check: 'clock', level: 'error', what: `the clock says ${here}, which is past`, way },
        cause: 'this program is younger: the clock was not set since power-on, or its battery is empty',
      },
    ];
  if (server === undefined || Math.abs(now - server) <= MOST_APART_MS) return [];
  const seconds = Math.round((now - server) / 1000);
  return [
    {
      ...{ check: 'clock', level: 'error', way },
      what: `the clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the server's`,
      cause: `it says ${here} here and ${new Date(server).toISOString()} there; certificates and leases depend on it`,
    },
  ];
}
