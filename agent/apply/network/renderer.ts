import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Flavour } from './ifupdown.ts';

export type Renderer = 'networkd' | 'netplan' | 'ifupdown';

/** What has to be there for a renderer to be one. */
const programs: Record<Renderer, { paths: string[]; package: string }> = {
  netplan: { paths: ['/usr/sbin/netplan'], package: 'netplan.io' },
  networkd: { paths: ['/usr/lib/systemd/systemd-networkd', '/lib/systemd/systemd-networkd'], package: 'systemd' },
  ifupdown: { paths: ['/usr/sbin/ifup', '/sbin/ifup'], package: 'ifupdown or ifupdown2' },
};

/**
 * What configures the network of this machine: the one that is set, else netplan where it has files, ifupdown where its
 * service is enabled and networkd's is not, else systemd-networkd. Throws when the one that is set is not installed.
 */
export function rendererOf(root: string, set?: Renderer): Renderer {
  if (set !== undefined) {
    if (isThere(root, set)) return set;
    throw new Error(`${set} is to configure the network, and is not installed: install ${programs[set].package}`);
  }
  if (isThere(root, 'netplan') && names(root, '/etc/netplan').some((name) => name.endsWith('.yaml'))) return 'netplan';
  // networkd is started by its socket and by systemd-networkd-wait-online.service, too.
  const networkd = /^systemd-networkd.*\.(service|socket)$/;
  if (isThere(root, 'ifupdown') && isEnabled(root, /^networking\.service$/) && !isEnabled(root, networkd))
    return 'ifupdown';
  return 'networkd';
}

/** ifupdown2 has the same commands as ifupdown, and a folder of its own. */
export function flavourOf(root: string): Flavour {
  return existsSync(join(root, '/usr/share/ifupdown2')) ? 'ifupdown2' : 'ifupdown';
}

const isThere = (root: string, renderer: Renderer) =>
  programs[renderer].paths.some((path) => existsSync(join(root, path)));

/** systemctl enable makes these links (systemd.unit(5)). */
const isEnabled = (root: string, unit: RegExp) =>
  names(root, '/etc/systemd/system')
    .filter((folder) => folder.endsWith('.wants'))
    .flatMap((folder) => names(root, `/etc/systemd/system/${folder}`))
    .some((name) => unit.test(name));

function names(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder));
  } catch {
    return [];
  }
}
