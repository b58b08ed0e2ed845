import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { must, type Run } from '../../command.ts';
import { readText } from '../files.ts';
import { IFUPDOWN } from './ifupdown.ts';
import { flavourOf, type Renderer } from './renderer.ts';

/** What a change of the network does to links. */
export interface NetworkReload {
  renderer: Renderer;
  /** Interfaces that are configured anew. */
  interfaces: string[];
  /** Those of them whose own file stays as it was. */
  unchanged: string[];
  /** Links that software made and that go, or are made anew. */
  remove: string[];
  /** Whether some of them are made anew. */
  remake: boolean;
}

/** networkd reads a link that it has made once; a reload makes it again as it was. */
const RESTART = ['restart', 'systemd-networkd.service'];

/**
 * A DHCP client that ifup starts outlives it, and so must not be this process's child: it would have its limits (systemd.exec(5))
 * and be ended with it.
 */
const OUTSIDE = ['--quiet', '--wait', '--pipe', '--collect', '--property=KillMode=process'];

const VRF_NAMES = '/etc/iproute2/rt_tables.d';

/** Before files change: ifupdown can take down only what its files still say. */
export function leaveNetwork(root: string, run: Run, renderer: Renderer): void {
  if (renderer !== 'ifupdown' || flavourOf(root) === 'ifupdown2') return;
  const names = [...(readText(root, IFUPDOWN) ?? '').matchAll(/^auto (\S+)$/gm)].map(([, name = '']) => name);
  for (const name of names.reverse()) if (name !== 'lo') run('systemd-run', [...OUTSIDE, 'ifdown', '--force', name]);
}

/** Lets the files be in force. Throws when the renderer refuses them, after all was tried. */
export function reloadNetwork(root: string, run: Run, change: NetworkReload): void {
  const { renderer, interfaces, unchanged, remove, remake } = change;
  for (const name of remove) run('ip', ['link', 'delete', 'dev', name]);
  // Without interfaces of ours the name servers are in systemd-resolved's own settings, if it runs.
  if (interfaces.length === 0 || renderer === 'ifupdown') run('systemctl', ['try-restart', 'systemd-resolved.service']);
  if (renderer === 'netplan') {
    must(run, 'netplan', ['generate']);
    if (remake) must(run, 'systemctl', RESTART);
    must(run, 'netplan', ['apply']);
  } else if (renderer === 'networkd') {
    if (remake) must(run, 'systemctl', RESTART);
    else must(run, 'networkctl', ['reload']);
    // One that was removed, or is not made yet, is none to networkd: what is wrong with it shows when it is looked at. Those
    // whose files changed it configures by itself, and twice at once it may leave one of them without its routes.
    for (const name of unchanged) run('networkctl', ['reconfigure', name]);
  } else if (flavourOf(root) === 'ifupdown2') {
    // The order in which its unit starts is among the files.
    run('systemctl', ['daemon-reload']);
    // It writes the names of VRFs there, and fails where the folder is not: iproute2 of Debian 13 does not bring it any more.
    mkdirSync(join(root, VRF_NAMES), { recursive: true });
    must(run, 'systemd-run', [...OUTSIDE, 'ifreload', '-a']);
  } else {
    must(run, 'systemd-run', [...OUTSIDE, 'ifup', '--all']);
    // It was never taken down: this machine speaks with itself over it.
    if (interfaces.includes('lo')) must(run, 'systemd-run', [...OUTSIDE, 'ifup', '--force', 'lo']);
  }
}

/**
 * Lets interfaces that lack what their files say be configured once more. networkd gives up on a link that loses its carrier
 * while its routes are set, as the VLANs of a bond do whose members join, and does not try again.
 */
export function configureAgain(run: Run, renderer: Renderer, interfaces: string[]): void {
  if (renderer !== 'ifupdown') for (const name of interfaces) run('networkctl', ['reconfigure', name]);
}

/** Gives interfaces the MTU back that they had, bytes: no renderer does where its file says none. */
export function restoreMtus(run: Run, mtus: Record<string, number>): void {
  for (const [name, mtu] of Object.entries(mtus)) run('ip', ['link', 'set', 'dev', name, 'mtu', String(mtu)]);
}
