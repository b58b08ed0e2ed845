import type { System } from '../system.ts';
import type { TimeSources } from './time-daemon.ts';

/** Our drop-in of timesyncd.conf(5). */
export const TIMESYNCD_FILE = '/etc/systemd/timesyncd.conf.d/10-machinedb.conf';

const NAME = 'timesyncd.conf';
const mains = [`/etc/systemd/${NAME}`, `/run/systemd/${NAME}`, `/usr/lib/systemd/${NAME}`];
const folders = [
  `/etc/systemd/${NAME}.d`,
  `/run/systemd/${NAME}.d`,
  `/usr/local/lib/systemd/${NAME}.d`,
  `/usr/lib/systemd/${NAME}.d`,
];

/** Servers of timesyncd.conf(5) and its drop-ins. */
export function readTimesyncd(system: System): TimeSources {
  let sources: TimeSources['sources'] = [];
  // An empty assignment forgets those before it.
  for (const file of filesOf(system))
    for (const names of assignments(system.read(file) ?? ''))
      sources =
        names.length === 0 ? [] : [...sources, ...names.map((name) => ({ kind: 'server' as const, name, file }))];
  const others = sources.filter(({ file }) => file !== TIMESYNCD_FILE).map(({ file, name }) => `${file}: NTP=${name}`);
  return { sources, others };
}

// Drop-ins come after the file, by name; one in /etc hides one of its name elsewhere.
function filesOf(system: System): string[] {
  const main = mains.find((path) => system.read(path) !== undefined);
  const byName = new Map<string, string>();
  for (const folder of folders)
    for (const name of system.list(folder))
      if (name.endsWith('.conf') && !byName.has(name)) byName.set(name, `${folder}/${name}`);
  const dropIns = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  return main === undefined ? dropIns : [main, ...dropIns];
}

/** What NTP= of the section [Time] is, each time that it is assigned. */
function* assignments(text: string): Generator<string[]> {
  let section = '';
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    if (line.startsWith('[')) section = line.trim();
    const value = /^NTP\s*=(.*)$/.exec(line.trim())?.[1];
    if (section === '[Time]' && value !== undefined) yield value.split(/\s+/).filter(Boolean);
  }
}
