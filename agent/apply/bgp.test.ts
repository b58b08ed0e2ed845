import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Result, type Run, run } from '../command.ts';
import { wantedOf } from '../testing/frr/intents.ts';
import { makeTree } from '../testing/tree.ts';
import { checkBgp, planBgp, reloadBgp } from './bgp.ts';
import { frrConf } from './frr-conf.ts';

const wanted = wantedOf({ asn: 65101 });
const RELOAD = '/usr/lib/frr/frr-reload.py';
const installed = { [RELOAD]: '', '/etc/frr/daemons': 'bgpd=no\n', '/etc/frr/vtysh.conf': '' };

test('frr.conf is ours; of the daemons file only the words are changed that start what BGP needs', () => {
  const daemons = '# bgpd=no\nbgpd=no\nospfd=yes\nbgpd_options="   -A 127.0.0.1"';
  const root = makeTree({ ...installed, '/etc/frr/daemons': daemons, '/etc/frr/frr.conf': 'router ospf\n' });
  expect(planBgp(root, wanted)).toEqual([
    {
      section: 'bgp',
      path: '/etc/frr/daemons',
      before: daemons,
      after: '# bgpd=no\nbgpd=yes\nospfd=yes\nbgpd_options="   -A 127.0.0.1"\nbfdd=yes\n',
      mode: 0o640,
    },
    { section: 'bgp', path: '/etc/frr/frr.conf', before: 'router ospf\n', after: frrConf(wanted), mode: 0o640 },
  ]);
});

test('what is as wanted is not changed, in whatever way it was written', () => {
  const files = { '/etc/frr/daemons': ' bgpd="yes"\nbfdd=no\nbfdd=yes # on\n', '/etc/frr/frr.conf': frrConf(wanted) };
  expect(planBgp(makeTree({ ...installed, ...files }), wanted)).toEqual([]);
});

test('a machine without FRR, or whose FRR reads another file, is told', () => {
  expect(() => planBgp(makeTree({ '/etc/frr/daemons': '' }), wanted)).toThrow(
    'FRR is not installed on this machine, or not its reload script: install the packages frr and frr-pythontools',
  );
  const split = { ...installed, '/etc/frr/vtysh.conf': '!\nno service integrated-vtysh-config\n' };
  expect(() => planBgp(makeTree(split), wanted)).toThrow(
    '/etc/frr/vtysh.conf says "no service integrated-vtysh-config", so FRR does not read /etc/frr/frr.conf: remove that line',
  );
});

test('FRR itself reads what it would get before it is written, and names the line that it refuses', () => {
  const [, change] = planBgp(makeTree(installed), wanted);
  checkBgp(run, [change!]);
  const wrong = change!.after!.replace('multipath-relax', 'multipath-relay');
  expect(() => checkBgp(run, [{ ...change!, after: wrong }])).toThrow(
    /^vtysh -C -f \S+ failed \(2\): line 19: % Unknown command\[\d+\]: {2}bgp bestpath as-path multipath-relay$/,
  );
  let asked = 0;
  const counting: Run = () => ({ status: asked++, stdout: '', stderr: '' });
  checkBgp(counting, [{ ...change!, path: '/etc/frr/daemons' }]);
  expect(asked).toBe(0);
});

const ok: Result = { status: 0, stdout: '', stderr: '' };

/** Reloads; gives the commands. The scratch file's folder is FOLDER. */
function reload(daemons: string, answer: (command: string) => Partial<Result>): string[] {
  const said: string[] = [];
  let folder = '';
  const root = makeTree({ '/etc/frr/daemons': daemons, '/etc/frr/frr.conf': 'router bgp 1\n' });
  reloadBgp((program, args) => {
    folder = /(\S+)\/frr\.conf/.exec(args.at(-1) ?? '')?.[1] ?? folder;
    const command = [program, ...args].join(' ').replaceAll(folder || '\n', 'FOLDER');
    said.push(command);
    return { ...ok, ...answer(command) };
  }, root);
  expect(folder === '' || !existsSync(folder)).toBe(true);
  return said;
}

const SHOW = ['bgpd', 'bfdd'].map((name) => `vtysh -d ${name} -c show version`);
const RUNNING = 'vtysh -c show running-config';
const [TEST, GO] = ['--test', '--reload'].map((flag) => `${RELOAD} ${flag} --confdir FOLDER FOLDER/frr.conf`);
const RESTART = 'systemctl restart frr.service';
const both = 'bgpd=yes\nbfdd=yes\n';
const nothing = '\nLines To Add\n============\nfrr version 10.3\n';

test.each([
  ['daemons that run are reloaded', both, 1, [...SHOW, RUNNING, TEST, GO, TEST]],
  ['what a reload has left is reloaded', both, 2, [...SHOW, RUNNING, TEST, GO, TEST, GO, TEST]],
  ['where that does not help, FRR is restarted', both, 3, [...SHOW, RUNNING, TEST, GO, TEST, GO, TEST, RESTART]],
  ['one that should not run is stopped', 'bgpd=no\nbfdd=yes\n', 0, [SHOW[0], RESTART]],
])('%s', (_, daemons, differences, commands) => {
  let tests = 0;
  const answer = (command: string) =>
    command === TEST ? { stdout: tests++ < differences ? `${nothing}router bgp 1\n` : nothing } : {};
  expect(reload(daemons, answer)).toEqual(commands);
});

test('a daemon that does not run yet is started, and a file that FRR refuses is told', () => {
  expect(reload(both, (command) => ({ status: command === SHOW[1] ? 1 : 0 }))).toEqual([...SHOW, RESTART]);
  expect(() => reload(both, (command) => (command === TEST ? { status: 1, stderr: 'vtysh failed' } : {}))).toThrow(
    /^\/usr\/lib\/frr\/frr-reload\.py --test .* failed \(1\): vtysh failed$/,
  );
});
