import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences } from '../../shared/diff.ts';
import { resolveTime } from '../../shared/resolve-time.ts';
import type { TimeIntended } from '../../shared/sections/time.ts';
import { type Run, run } from '../command.ts';
import { observe } from '../sections/time.ts';
import { openSystem } from '../system.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { unpacked } from '../testing/unpacked.ts';
import { type Change, header } from './change.ts';
import { writeFile } from './files.ts';
import { checkTime, planTime, reloadTime } from './time.ts';

const OURS = '/etc/chrony/conf.d/10-machinedb.conf';
const DROP_IN = '/etc/systemd/timesyncd.conf.d/10-machinedb.conf';
const zones = { '/usr/share/zoneinfo/Europe/Berlin': 'TZif', '/usr/share/zoneinfo/Etc/UTC': 'TZif' };
const full: TimeIntended = {
  timezone: 'Europe/Berlin',
  servers: { 'ntp2.example.org': { iburst: true, minpoll: 4, maxpoll: 6 }, '2001:db8::1': {} },
  pools: { 'pool.example.org': { iburst: true } },
};

/** The package's own chrony.conf, as a new Debian has it. */
const debianConf = () => readFileSync(join(unpacked('chrony'), 'usr/share/chrony/chrony.conf'), 'utf8');
const chronyMachine = (more: Tree = {}) =>
  makeTree({
    '/usr/sbin/chronyd': '',
    '/etc/chrony/chrony.conf': debianConf(),
    '/etc/localtime': { link: '/usr/share/zoneinfo/Etc/UTC' },
    '/etc/timezone': 'Etc/UTC\n',
    ...zones,
    ...more,
  });
const timesyncdMachine = (more: Tree = {}) =>
  makeTree({ '/usr/lib/systemd/systemd-timesyncd': '', '/etc/systemd/timesyncd.conf': '[Time]\n', ...zones, ...more });

const chronyd: Run = (_, args) => run(join(unpacked('chrony'), 'usr/sbin/chronyd'), args);

/** Plans, has it checked by the real chronyd, and writes; what is there afterwards is as wanted. */
function apply(root: string, intended: TimeIntended): Change[] {
  const wanted = resolveTime(intended, observe(openSystem(root)))!;
  const changes = planTime(root, wanted);
  checkTime(chronyd, changes);
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  expect(planTime(root, wanted)).toEqual([]);
  expect(differences(wanted, observe(openSystem(root)))).toEqual([]);
  return changes;
}

function undo(root: string, changes: Change[]): void {
  for (const { path, before, mode } of changes) writeFile(root, path, before, mode);
}

test('chrony gets a file of ours and the time zone, and nothing of others changes', () => {
  const root = chronyMachine();
  const changes = apply(root, full);
  expect(Object.fromEntries(changes.map(({ path, after }) => [path, after]))).toEqual({
    '/etc/localtime': '../usr/share/zoneinfo/Europe/Berlin',
    '/etc/timezone': 'Europe/Berlin\n',
    [OURS]: `${header}
server 2001:db8::1
server ntp2.example.org iburst minpoll 4 maxpoll 6
pool pool.example.org iburst
`,
  });
  expect(readlinkSync(join(root, 'etc/localtime'))).toBe('../usr/share/zoneinfo/Europe/Berlin');
  undo(root, changes);
  expect(readlinkSync(join(root, 'etc/localtime'))).toBe('/usr/share/zoneinfo/Etc/UTC');
  expect(existsSync(join(root, OURS))).toBe(false);
});

test("only these: the distribution's pool and DHCP's sources are turned off by a mark, and come back with the intent", () => {
  const root = chronyMachine();
  apply(root, { ...full, only_these: true });
  const off = debianConf()
    .replace('pool 2.debian.pool', '#machinedb-agent has turned this off: pool 2.debian.pool')
    .replace('sourcedir /run/', '#machinedb-agent has turned this off: sourcedir /run/');
  expect(readFileSync(join(root, 'etc/chrony/chrony.conf'), 'utf8')).toBe(off);
  expect(apply(root, { timezone: 'Europe/Berlin' }).map(({ path, after }) => [path, after])).toEqual([
    ['/etc/chrony/chrony.conf', debianConf()],
    [OURS, undefined],
  ]);
});

test('what stands in the way is told before anything is written', () => {
  expect(() =>
    planTime(chronyMachine({ '/etc/chrony/conf.d/site.conf': 'server x.example\n' }), { ...full, only_these: true }),
  ).toThrow(
    'only the intended sources of time are to be used, and there is another in /etc/chrony/conf.d/site.conf: server x.example: remove it',
  );
  expect(() => planTime(chronyMachine({ '/etc/chrony/chrony.conf': 'rtcsync\n' }), full)).toThrow(
    '/etc/chrony/chrony.conf does not read /etc/chrony/conf.d: add the line "confdir /etc/chrony/conf.d" to it',
  );
  expect(() => planTime(chronyMachine(), { timezone: 'Asia/Tokyo' })).toThrow(
    'this machine has no time zone Asia/Tokyo: install tzdata (or tzdata-legacy), or intend another',
  );
  expect(() => planTime(makeTree(zones), full)).toThrow(
    'nothing on this machine sets its clock: install chrony, or intend no servers and pools of time',
  );
  expect(planTime(makeTree(zones), { timezone: 'Europe/Berlin' }).map(({ path }) => path)).toEqual(['/etc/localtime']);
});

test('what chronyd refuses is told, and a chronyd without such a check is believed', () => {
  const change = { path: OURS, after: `${header}\nserver a.example iburts\n` } as Change;
  expect(() => checkTime(chronyd, [change])).toThrow(
    /^chronyd does not take what is wanted: .* Could not parse server directive at line 1$/,
  );
  checkTime(() => ({ status: 1, stdout: '', stderr: "chronyd: invalid option -- 'p'" }), [change]);
});

test('the real chronyd reads ours beside its own file, and no more than ours when only these are wanted', () => {
  const root = chronyMachine();
  const folder = join(root, 'etc/chrony');
  const read = () => {
    const file = join(root, 'scratch.conf');
    const text = readFileSync(join(folder, 'chrony.conf'), 'utf8').replaceAll('/etc/chrony', folder);
    writeFileSync(file, text);
    const { status, stdout } = chronyd('chronyd', ['-p', '-f', file]);
    expect(status).toBe(0);
    return stdout.split('\n').filter((line) => /^(server|pool|sourcedir)/.test(line.trim()));
  };
  const ours = [
    'server 2001:db8::1',
    'server ntp2.example.org iburst minpoll 4 maxpoll 6',
    'pool pool.example.org iburst',
  ];
  apply(root, full);
  expect(read()).toEqual([
    ...ours,
    'pool 2.debian.pool.ntp.org iburst',
    'sourcedir /run/chrony-dhcp',
    `sourcedir ${folder}/sources.d`,
  ]);
  apply(root, { ...full, only_these: true });
  expect(read()).toEqual([...ours, `sourcedir ${folder}/sources.d`]);
});

test('systemd-timesyncd gets a drop-in: names only, pools among them', () => {
  const root = timesyncdMachine();
  expect(apply(root, full).find(({ path }) => path === DROP_IN)?.after).toBe(
    `${header}\n[Time]\nNTP=2001:db8::1 ntp2.example.org pool.example.org\n`,
  );
  expect(apply(root, { ...full, only_these: true }).map(({ after }) => after)).toEqual([
    `${header}\n[Time]\nNTP=\nNTP=2001:db8::1 ntp2.example.org pool.example.org\n`,
  ]);
});

/** What the real systemd-timesyncd says of its files, in namespaces of its own: it cannot set this machine's clock. */
function readByTimesyncd(root: string): string {
  const script = `mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib/systemd && mount --bind "$1" /etc/systemd
sed 's/^systemd-timesync:x:[0-9]*:[0-9]*/systemd-timesync:x:0:0/' /etc/passwd > /run/passwd && mount --bind /run/passwd /etc/passwd
exec timeout -s KILL 2 /lib/systemd/systemd-timesyncd`;
  const env = { ...process.env, SYSTEMD_LOG_TARGET: 'console', SYSTEMD_LOG_LEVEL: 'debug' };
  const isolated = ['--map-root-user', '--net', '--mount', 'sh', '-ec', script, 'sh', join(root, 'etc/systemd')];
  const { stdout, stderr } = spawnSync('unshare', isolated, { encoding: 'utf8', env });
  return `${stdout}${stderr}`;
}

test('the real systemd-timesyncd takes the drop-in', () => {
  const root = timesyncdMachine();
  apply(root, { ...full, only_these: true });
  const said = readByTimesyncd(root);
  expect(said).not.toMatch(/10-machinedb.conf:\d+/);
  // The servers that systemd was built with are for a machine that has no other.
  const selected = said.split('\n').filter((line) => line.startsWith('Selected server'));
  expect(selected).toEqual([
    'Selected server 2001:db8::1.',
    'Selected server ntp2.example.org.',
    'Selected server pool.example.org.',
  ]);
  writeFileSync(join(root, DROP_IN), '[Time]\nNPT=a\n');
  expect(readByTimesyncd(root)).toMatch(/10-machinedb.conf:2: Unknown key/);
});

test('only what changed is restarted', () => {
  const commands: string[] = [];
  const record: Run = (command, args) => {
    commands.push([command, ...args].join(' '));
    return { status: 0, stdout: '', stderr: '' };
  };
  const files = (...paths: string[]) => ({
    files: paths.map((path) => ({ path, section: 'time' as const, before: null, mode: 0o644, gone: false })),
  });
  reloadTime(record, files('/etc/localtime', '/etc/timezone'));
  expect(commands).toEqual([]);
  reloadTime(record, files('/etc/chrony/chrony.conf', OURS));
  reloadTime(record, files(DROP_IN));
  expect(commands).toEqual(['systemctl restart chrony.service', 'systemctl restart systemd-timesyncd.service']);
});
