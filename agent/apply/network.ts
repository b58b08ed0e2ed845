import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { type Change, changesTo, type Files } from './change.ts';
import { readText } from './files.ts';
import { IFUPDOWN, IFUPDOWN2_UNIT, ifupdownFiles } from './network/ifupdown.ts';
import type { Dns, Interfaces } from './network/links.ts';
import { NETPLAN, netplanFiles } from './network/netplan.ts';
import { networkdFiles, prefix } from './network/networkd.ts';
import { flavourOf, type Renderer, rendererOf } from './network/renderer.ts';
import { resolverFiles, unusedResolverFiles } from './resolver.ts';

/**
 * The files of the interfaces that are wanted; others are left to what configures them now.
 *
 * @param macs permanent MAC by interface: what a file matches by, so that another name does not lose it
 */
export function planNetwork(root: string, wanted: NetworkWanted, macs: Record<string, string>): Change[] {
  const { interfaces = {}, dns = {}, unobserved = {} } = wanted;
  const renderer = rendererOf(root, unobserved.renderer);
  // ifupdown leaves name servers to others.
  const bringsDns = renderer !== 'ifupdown' && Object.keys(interfaces).length > 0;
  const files: Files = { ...filesOf(root, renderer, interfaces, dns, macs), ...resolverFiles(root, dns, bringsDns) };
  const gone = ownNetworkFiles(root).filter((path) => files[path] === undefined);
  return changesTo(root, 'network', files, [...gone, ...unusedResolverFiles(root, files)]);
}

function filesOf(
  root: string,
  renderer: Renderer,
  interfaces: Interfaces,
  dns: Dns,
  macs: Record<string, string>,
): Files {
  if (renderer === 'netplan') return netplanFiles(interfaces, dns, macs);
  if (renderer === 'networkd') return networkdFiles(interfaces, dns, macs);
  checkUnclaimed(root, Object.keys(interfaces));
  return ifupdownFiles(interfaces, macs, flavourOf(root));
}

/** Files of ours that are there. */
export function ownNetworkFiles(root: string): string[] {
  const networkd = list(root, '/etc/systemd/network').filter((path) => path.startsWith(prefix));
  return [...networkd, ...[NETPLAN, IFUPDOWN, IFUPDOWN2_UNIT].filter((path) => existsSync(join(root, path)))];
}

/** interfaces(5) adds stanzas of one interface up: what another file says of it would be done, too. */
function checkUnclaimed(root: string, names: string[]): void {
  const main = '/etc/network/interfaces';
  const text = readText(root, main) ?? '';
  if (!/^source(-directory)?\s+(\/etc\/network\/)?interfaces\.d(\/\*)?\s*$/m.test(text))
    throw new Error(`${main} does not read interfaces.d: add the line "source /etc/network/interfaces.d/*"`);
  for (const path of [main, ...list(root, '/etc/network/interfaces.d').filter((each) => each !== IFUPDOWN)]) {
    for (const [, name = ''] of (readText(root, path) ?? '').matchAll(/^\s*iface\s+(\S+)\s/gm))
      if (names.includes(name) && name !== 'lo')
        throw new Error(`${path} configures ${name}, too: remove its lines there, so that the intent alone does`);
  }
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
