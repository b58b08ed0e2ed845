import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BgpWanted } from '../../shared/sections/bgp.ts';
import { must, type Run } from '../command.ts';
import { type Change, changesTo } from './change.ts';
import { readText } from './files.ts';
import { frrConf } from './frr-conf.ts';

const CONF = '/etc/frr/frr.conf';
const DAEMONS = '/etc/frr/daemons';
const VTYSH = '/etc/frr/vtysh.conf';
const RELOAD = '/usr/lib/frr/frr-reload.py';
/** A second one takes away what the first has left. */
const RELOADS = 2;
const FILE_MODE = 0o640;
/** FRR's daemons that we start; others are whoever's who started them. */
const OURS = ['bgpd', 'bfdd'];

/**
 * /etc/frr/frr.conf, whole, and the words of /etc/frr/daemons that start what BGP needs. Both stay FRR's own (frr:frr 0640).
 * Throws when FRR or its reload script is not installed.
 */
export function planBgp(root: string, wanted: BgpWanted): Change[] {
  const daemons = readText(root, DAEMONS);
  if (daemons === undefined || !existsSync(join(root, RELOAD)))
    throw new Error(
      'FRR is not installed on this machine, or not its reload script: install the packages frr and frr-pythontools',
    );
  if (/^\s*no service integrated-vtysh-config/m.test(readText(root, VTYSH) ?? ''))
    throw new Error(
      `${VTYSH} says "no service integrated-vtysh-config", so FRR does not read ${CONF}: remove that line`,
    );
  return changesTo(root, 'bgp', {
    [DAEMONS]: { text: Object.keys(wanted.daemons).reduce(withDaemon, daemons), mode: FILE_MODE },
    [CONF]: { text: frrConf(wanted), mode: FILE_MODE },
  });
}

/** The text of the daemons file with one started, all else as it is. A later line wins: the shell reads it. */
function withDaemon(text: string, name: string): string {
  if (isStarted(text, name)) return text;
  const line = new RegExp(`^[ \\t]*${name}=.*$`, 'gm');
  return line.test(text) ? text.replace(line, `${name}=yes`) : `${text.replace(/\n?$/, '\n')}${name}=yes\n`;
}

function isStarted(text: string, name: string): boolean {
  const words = [...text.matchAll(new RegExp(`^[ \\t]*${name}=["']?(\\w*)`, 'gm'))];
  return words.at(-1)?.[1] === 'yes';
}

/** Has FRR read what it would get, before it is written. Throws when FRR refuses a line, and names it. */
export function checkBgp(run: Run, changes: Change[]): void {
  const text = changes.find(({ path }) => path === CONF)?.after;
  if (text !== undefined) withScratch(text, (scratch) => must(run, 'vtysh', ['-C', '-f', scratch]));
}

/**
 * Lets the files be in force. Sessions that do not change stay up, unless daemons come or go or FRR cannot get there by
 * commands: then all of it is restarted. Throws when FRR refuses.
 */
export function reloadBgp(run: Run, root: string): void {
  const [text, daemons] = [readText(root, CONF), readText(root, DAEMONS) ?? ''];
  const runs = (name: string) => run('vtysh', ['-d', name, '-c', 'show version']).status === 0;
  if (text === undefined || OURS.some((name) => isStarted(daemons, name) !== runs(name))) {
    must(run, 'systemctl', ['restart', 'frr.service']);
    return;
  }
  const running = must(run, 'vtysh', ['-c', 'show running-config']);
  withScratch(`${kernelLines(running).join('')}${text}`, (scratch) => {
    // What vtysh's own file says is of the running configuration, and would be left for ever.
    writeFileSync(join(dirname(scratch), 'vtysh.conf'), readText(root, VTYSH) ?? '');
    // With another folder than the file's, the script would write the running configuration over /etc/frr/frr.conf.
    const args = ['--confdir', dirname(scratch), scratch];
    const isLeft = () => isReloadLeft(must(run, RELOAD, ['--test', ...args]));
    // Its exit status says little: it fails when a neighbour goes, and leaves BFD on when the profile goes with it.
    let left = isLeft();
    for (let tries = 0; left && tries < RELOADS; tries++) {
      run(RELOAD, ['--reload', ...args]);
      left = isLeft();
    }
    if (left) must(run, 'systemctl', ['restart', 'frr.service']);
  });
}

/** Whether `frr-reload.py --test` tells of lines that are still to be added or deleted. FRR keeps its own version. */
function isReloadLeft(told: string): boolean {
  return told.split('\n').some((line) => !/^(Lines To (Delete|Add)|=*|frr version .*)$/.test(line.trim()));
}

/**
 * What a running FRR tells of the kernel and not of its files. frr-reload.py takes away what is not in the file that it is
 * given: without "no ip forwarding" there it would turn a node that routes nothing into a router.
 */
function kernelLines(running: string): string[] {
  return running.match(/^(no ip forwarding|no ipv6 forwarding|hostname \S+)\n/gm) ?? [];
}

function withScratch(text: string, use: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'machinedb-frr-'));
  try {
    writeFileSync(join(folder, 'frr.conf'), text, { mode: 0o600 });
    use(join(folder, 'frr.conf'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
