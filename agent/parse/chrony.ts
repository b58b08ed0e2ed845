import type { System } from '../system.ts';
import { glob } from './glob.ts';
import type { TimeSource, TimeSources } from './time-daemon.ts';

/** Our file among those of chronyd(8). Debian 11 and later have `confdir /etc/chrony/conf.d` in their chrony.conf. */
export const CHRONY_FOLDER = '/etc/chrony/conf.d';
export const CHRONY_FILE = `${CHRONY_FOLDER}/10-machinedb.conf`;
/** Begins lines of others in chrony.conf that the agent has turned off. */
export const CHRONY_OFF = '#machinedb-agent has turned this off: ';

const deepest = 10;
const mostFiles = 256;

/** Debian's chrony.conf, or that of others. */
export const chronyConfOf = (system: System) =>
  ['/etc/chrony/chrony.conf', '/etc/chrony.conf'].find((path) => system.read(path) !== undefined);

/** Sources of chrony.conf(5) and of the files that it includes. Those that DHCP leaves below /run come and go, and are not read. */
export function readChrony(system: System, conf: string): TimeSources & { confdirs: string[] } {
  const found: TimeSources & { confdirs: string[] } = { sources: [], others: [], confdirs: [] };
  let files = 0;
  const read = (file: string, depth: number) => {
    if (depth > deepest || ++files > mostFiles) return;
    for (const line of (system.read(file) ?? '').split('\n')) {
      const [directive, first, ...rest] = wordsOf(line);
      if (directive === undefined || first === undefined) continue;
      if (isOthersSource(line) && file !== CHRONY_FILE) found.others.push(`${file}: ${line.trim()}`);
      if (directive === 'server' || directive === 'pool') found.sources.push(sourceOf(directive, first, rest, file));
      else if (directive === 'include') for (const each of glob(system, '/', first)) read(each, depth + 1);
      else if (directive === 'confdir') {
        found.confdirs.push(first, ...rest);
        for (const each of filesOf(system, [first, ...rest], '.conf')) read(each, depth + 1);
      } else if (directive === 'sourcedir' && !isVolatile(first))
        for (const each of filesOf(system, [first, ...rest], '.sources')) read(each, depth + 1);
    }
  };
  read(conf, 0);
  return found;
}

/** Whether a line of chrony's files is a source of time, or a folder of such that DHCP fills. */
export function isOthersSource(line: string): boolean {
  const [directive, first] = wordsOf(line);
  if (first === undefined) return false;
  return ['server', 'pool', 'peer'].includes(directive ?? '') || (directive === 'sourcedir' && isVolatile(first));
}

const isVolatile = (path: string) => /^\/(var\/)?run\//.test(path);

/** Directives are in any case; a line that begins with one of !;#% is a comment. */
function wordsOf(line: string): string[] {
  const [directive = '', ...words] = line.trim().split(/\s+/);
  return directive === '' || /^[!;#%]/.test(directive) ? [] : [directive.toLowerCase(), ...words];
}

// Of two files with one name the one in the folder that is named first is read; all are read in the order of their names.
function filesOf(system: System, folders: string[], ending: string): string[] {
  const byName = new Map<string, string>();
  for (const folder of folders)
    for (const name of system.list(folder))
      if (name.endsWith(ending) && !byName.has(name)) byName.set(name, `${folder}/${name}`);
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

function sourceOf(kind: 'server' | 'pool', name: string, options: string[], file: string): TimeSource {
  const words = options.map((word) => word.toLowerCase());
  const number = (option: string) => {
    const value = words[words.indexOf(option) + 1];
    return words.includes(option) && /^-?\d{1,2}$/.test(value ?? '') ? Number(value) : undefined;
  };
  return { kind, name, file, iburst: words.includes('iburst'), minpoll: number('minpoll'), maxpoll: number('maxpoll') };
}
