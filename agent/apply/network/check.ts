import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { must, type Run } from '../../command.ts';
import type { Change } from '../change.ts';
import { IFUPDOWN } from './ifupdown.ts';
import { NETPLAN } from './netplan.ts';
import { prefix } from './networkd.ts';
import { flavourOf, type Renderer } from './renderer.ts';

/** How long networkd gets to read its files, seconds. */
const READ_S = 3;

/**
 * Has the renderer itself read the files, in a folder of its own, before any of them is in its place. Throws what it says.
 *
 * @param scratch a folder for it; it is removed
 */
export function checkNetwork(root: string, run: Run, renderer: Renderer, changes: Change[], scratch: string): void {
  mkdirSync(dirname(scratch), { recursive: true });
  const folder = mkdtempSync(scratch);
  try {
    const put = (path: string, text: string, mode: number) => {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text, { mode });
    };
    if (renderer === 'netplan') copyOthers(root, folder);
    for (const { path, after, mode } of changes) if (after !== undefined) put(path, after, mode);
    chmodSync(folder, 0o755);
    if (renderer === 'netplan') must(run, 'netplan', ['generate', '--root-dir', folder]);
    else if (renderer === 'networkd') readByNetworkd(run, folder);
    else if (existsSync(join(folder, IFUPDOWN))) {
      // ifupdown2 acts a little in its --no-act; it has a check of its own.
      const dry = flavourOf(root) === 'ifupdown' ? ['--no-act', '--force'] : ['--syntax-check'];
      must(run, 'ifup', [...dry, '--all', '--interfaces', join(folder, IFUPDOWN)]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** netplan merges all its files: ours has to fit to the others. */
function copyOthers(root: string, folder: string): void {
  const from = join(root, '/etc/netplan');
  if (existsSync(from)) cpSync(from, join(folder, 'etc/netplan'), { recursive: true });
  rmSync(join(folder, NETPLAN), { force: true });
}

/**
 * systemd-networkd has no dry run: one is started in an empty network, with these files alone, and says what it ignores of them.
 */
function readByNetworkd(run: Run, folder: string): void {
  const files = join(folder, dirname(prefix));
  if (!existsSync(files)) return;
  const properties = [
    'PrivateNetwork=yes',
    `BindReadOnlyPaths=${files}:/etc/systemd/network`,
    'TemporaryFileSystem=/run/systemd/netif',
    // Without the bus it cannot take the running one's name.
    'InaccessiblePaths=/run/dbus',
  ].flatMap((property) => ['--property', property]);
  const quiet = ['--quiet', '--pipe', '--wait', '--collect', '--setenv', 'SYSTEMD_LOG_TARGET=console'];
  const networkd = ['/lib/systemd/systemd-networkd', '/usr/lib/systemd/systemd-networkd'].find(existsSync);
  const command = ['timeout', '--signal', 'TERM', String(READ_S), networkd ?? '/lib/systemd/systemd-networkd'];
  const { stdout, stderr } = run('systemd-run', [...quiet, ...properties, ...command]);
  const refused = refusals(`${stdout}${stderr}`);
  if (refused.length > 0) throw new Error(`systemd-networkd does not take what is wanted: ${refused.join('; ')}`);
}

/** What systemd-networkd says of files of ours, as systemd's parser words it: FILE:LINE: what. */
export function refusals(said: string): string[] {
  const ours = basename(prefix);
  return said
    .split('\n')
    .filter((line) => line.includes(ours) && /ignoring|fail|invalid|unknown|missing|not /i.test(line))
    .map((line) => line.slice(line.indexOf(ours)));
}
