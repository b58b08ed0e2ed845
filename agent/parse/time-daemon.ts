import type { System } from '../system.ts';

export type TimeDaemon = 'chrony' | 'timesyncd';

/** One source of time, as a file has it. */
export interface TimeSource {
  kind: 'server' | 'pool';
  name: string;
  file: string;
  iburst?: boolean;
  minpoll?: number | undefined;
  maxpoll?: number | undefined;
}

/** The sources that the machine's files name. */
export interface TimeSources {
  sources: TimeSource[];
  /** Where sources are that are not the agent's: `FILE: LINE`. */
  others: string[];
}

const programs: [TimeDaemon, string[]][] = [
  ['chrony', ['/usr/sbin/chronyd']],
  ['timesyncd', ['/usr/lib/systemd/systemd-timesyncd', '/lib/systemd/systemd-timesyncd']],
];

/** What sets this machine's clock, by what is installed; chrony goes before systemd-timesyncd, as its unit conflicts with that. */
export function timeDaemonOf(system: System): TimeDaemon | undefined {
  return programs.find(([, paths]) => paths.some((path) => system.real(path) !== undefined))?.[0];
}
