import type { Time, TimeIntended } from './sections/time.ts';

/**
 * The time that is wanted of a machine, in the terms of what sets its clock: systemd-timesyncd knows servers by name only, and
 * no pools. A machine that has not reported what it has is taken for one with chrony.
 */
export function resolveTime(intended: TimeIntended | undefined, observed: unknown): TimeIntended | undefined {
  if (intended === undefined) return undefined;
  const { servers, pools, only_these, ...rest } = intended;
  const exclusive = only_these === true ? { only_these } : {};
  if ((observed as Time | undefined)?.daemon !== 'timesyncd')
    return { ...rest, ...(servers && { servers }), ...(pools && { pools }), ...exclusive };
  if (servers === undefined && pools === undefined) return rest;
  const names = Object.keys({ ...servers, ...pools });
  return { ...rest, servers: Object.fromEntries(names.map((name) => [name, {}])), ...exclusive };
}
