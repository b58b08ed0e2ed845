import type { Time } from '../../shared/sections/time.ts';
import { chronyConfOf, readChrony } from '../parse/chrony.ts';
import { type TimeSource, timeDaemonOf } from '../parse/time-daemon.ts';
import { readTimesyncd } from '../parse/timesyncd.ts';
import type { System } from '../system.ts';

const mostSources = 64;
const ZONES = /\/usr\/share\/zoneinfo\/(.+)$/;

/** Where the machine has its time from, by the files of what sets its clock, and its time zone (localtime(5)). */
export function observe(system: System): Time | undefined {
  const observed = { timezone: timezone(system), ...sourcesOf(system) };
  return Object.values(observed).every((member) => member === undefined) ? undefined : observed;
}

function timezone(system: System): string | undefined {
  const target = system.link('/etc/localtime');
  return target === undefined
    ? system.read('/etc/timezone')?.trim().slice(0, 64)
    : ZONES.exec(target)?.[1]?.slice(0, 64);
}

function sourcesOf(system: System): Omit<Time, 'timezone'> {
  const daemon = timeDaemonOf(system);
  const conf = daemon === 'chrony' ? chronyConfOf(system) : undefined;
  const found =
    conf !== undefined ? readChrony(system, conf) : daemon === 'timesyncd' ? readTimesyncd(system) : undefined;
  if (found === undefined) return { daemon };
  const { sources, others } = found;
  return {
    daemon,
    servers: byName(sources, 'server'),
    pools: byName(sources, 'pool'),
    only_these: sources.length > 0 && others.length === 0,
  };
}

function byName(sources: TimeSource[], kind: TimeSource['kind']): Time['servers'] {
  const found = sources.filter((source) => source.kind === kind).slice(0, mostSources);
  return found.length === 0
    ? undefined
    : Object.fromEntries(found.map(({ name, kind: _, ...rest }) => [name.slice(0, 253), rest]));
}
