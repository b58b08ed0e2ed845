import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TimeIntended } from '../../shared/sections/time.ts';
import { must, type Run } from '../command.ts';
import { CHRONY_FILE, CHRONY_FOLDER, CHRONY_OFF, chronyConfOf, isOthersSource, readChrony } from '../parse/chrony.ts';
import { timeDaemonOf } from '../parse/time-daemon.ts';
import { TIMESYNCD_FILE } from '../parse/timesyncd.ts';
import { openSystem, type System } from '../system.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { LOCALTIME, readText } from './files.ts';
import type { Pending } from './snapshot.ts';

const ZONES = '/usr/share/zoneinfo';
const TIMEZONE = '/etc/timezone';

/** The time zone, and a file of ours with the sources of time for chrony or systemd-timesyncd, whichever this machine has. */
export function planTime(root: string, wanted: TimeIntended): Change[] {
  const files = { ...zoneFiles(root, wanted.timezone) };
  const system = openSystem(root);
  const daemon = timeDaemonOf(system);
  const gone = [CHRONY_FILE, TIMESYNCD_FILE];
  if (daemon === 'chrony') Object.assign(files, chronyFiles(root, system, wanted));
  else if (daemon === 'timesyncd') Object.assign(files, timesyncdFiles(wanted));
  else if (hasSources(wanted))
    throw new Error('nothing on this machine sets its clock: install chrony, or intend no servers and pools of time');
  return changesTo(
    root,
    'time',
    files,
    gone.filter((path) => files[path] === undefined),
  );
}

/** Has chronyd itself read our lines; nothing is started. systemd-timesyncd has no such check. Throws what it refuses. */
export function checkTime(run: Run, changes: Change[]): void {
  const lines =
    changes.find(({ path, after }) => path === CHRONY_FILE && after !== undefined)?.after?.split('\n') ?? [];
  if (lines.length === 0) return;
  // As arguments: its AppArmor profile lets it read no folder of ours.
  const directives = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const { status, stderr } = run('chronyd', ['-p', ...directives]);
  // A chronyd that lacks -p refuses that, and names no line.
  if (status !== 0 && / at line \d+/.test(stderr))
    throw new Error(`chronyd does not take what is wanted: ${stderr.trim().slice(-500)}`);
}

/** Lets what sets the clock read its files. The time zone is in force by its link; programs that run keep theirs. */
export function reloadTime(run: Run, { files }: Pick<Pending, 'files'>): void {
  const changed = (folder: string) => files.some(({ path }) => path.startsWith(folder));
  if (changed('/etc/chrony')) must(run, 'systemctl', ['restart', 'chrony.service']);
  if (changed('/etc/systemd/timesyncd.conf.d/')) must(run, 'systemctl', ['restart', 'systemd-timesyncd.service']);
}

function zoneFiles(root: string, zone: string | undefined): Files {
  if (zone === undefined) return {};
  if (!existsSync(join(root, ZONES, zone)))
    throw new Error(`this machine has no time zone ${zone}: install tzdata (or tzdata-legacy), or intend another`);
  const target = readText(root, LOCALTIME);
  const files: Files = {};
  // It may lead there by another way of writing it.
  if (target?.endsWith(`${ZONES}/${zone}`) !== true) files[LOCALTIME] = { text: `..${ZONES}/${zone}`, mode: 0o777 };
  if (readText(root, TIMEZONE) !== undefined) files[TIMEZONE] = { text: `${zone}\n`, mode: 0o644 };
  return files;
}

const hasSources = ({ servers = {}, pools = {} }: TimeIntended) => Object.keys({ ...servers, ...pools }).length > 0;

function chronyFiles(root: string, system: System, wanted: TimeIntended): Files {
  const conf = chronyConfOf(system);
  if (conf === undefined) throw new Error('chrony has no chrony.conf on this machine: install its package again');
  const before = readText(root, conf) ?? '';
  const after = withOthers(before, wanted.only_these !== true);
  const files: Files = after === before ? {} : { [conf]: { text: after, mode: 0o644 } };
  if (!hasSources(wanted)) return files;
  const { confdirs, others } = readChrony(system, conf);
  if (!confdirs.includes(CHRONY_FOLDER))
    throw new Error(`${conf} does not read ${CHRONY_FOLDER}: add the line "confdir ${CHRONY_FOLDER}" to it`);
  const foreign = others.find((place) => !place.startsWith(`${conf}: `));
  if (wanted.only_these === true && foreign !== undefined)
    throw new Error(`only the intended sources of time are to be used, and there is another in ${foreign}: remove it`);
  const lines = [...linesOf('server', wanted.servers), ...linesOf('pool', wanted.pools)];
  return { ...files, [CHRONY_FILE]: { text: `${[header, ...lines].join('\n')}\n`, mode: 0o644 } };
}

/** chrony.conf with the sources of others in force, or all of them turned off. */
function withOthers(text: string, inForce: boolean): string {
  return text
    .split('\n')
    .map((line) => (line.startsWith(CHRONY_OFF) ? line.slice(CHRONY_OFF.length) : line))
    .map((line) => (!inForce && isOthersSource(line) ? `${CHRONY_OFF}${line}` : line))
    .join('\n');
}

function linesOf(kind: 'server' | 'pool', sources: TimeIntended['servers'] = {}): string[] {
  return Object.entries(sources)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { iburst, minpoll, maxpoll }]) =>
      [
        `${kind} ${name}`,
        ...(iburst === true ? ['iburst'] : []),
        ...(minpoll === undefined ? [] : [`minpoll ${minpoll}`]),
        ...(maxpoll === undefined ? [] : [`maxpoll ${maxpoll}`]),
      ].join(' '),
    );
}

function timesyncdFiles(wanted: TimeIntended): Files {
  if (!hasSources(wanted)) return {};
  const names = Object.keys({ ...wanted.servers, ...wanted.pools }).sort();
  // An empty assignment forgets those of files before this one. Those that DHCP names are asked only where no file names any.
  const lines = ['[Time]', ...(wanted.only_these === true ? ['NTP='] : []), `NTP=${names.join(' ')}`];
  return { [TIMESYNCD_FILE]: { text: `${[header, ...lines].join('\n')}\n`, mode: 0o644 } };
}
