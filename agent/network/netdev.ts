import { basename, posix } from 'node:path';
import { whole } from '../parse/numbers.ts';
import { once } from '../parse/once.ts';
import type { System } from '../system.ts';

/** A network interface and where it lies. */
export interface Netdev {
  name: string;
  /** Its folder under /sys/class/net. */
  folder: string;
  /** The device's folder in sysfs, undefined for what only software makes (bridges, veths, lo). */
  device: string | undefined;
}

/** Every network interface of the machine's own network namespace. */
export const netdevs = once((system: System): Netdev[] => {
  const base = '/sys/class/net';
  return system.list(base).flatMap((name) => {
    const folder = `${base}/${name}`;
    const target = system.link(folder);
    // 'bonding_masters' is a file there, and some captures hold folders in place of links.
    if (target === undefined && system.list(folder).length === 0) return [];
    return [{ name, folder, device: deviceOf(system, folder, target) }];
  });
});

/** What a machine has in metal (or its hypervisor shows as such); SR-IOV's virtual functions come and go. */
export function isPhysical(system: System, { device }: Netdev): boolean {
  return device !== undefined && system.link(`${device}/physfn`) === undefined;
}

/** Ethernet (1) or InfiniBand (32), by ARPHRD_ of linux/if_arp.h; a capture without `type` counts as Ethernet. */
export function kindOf(system: System, { folder }: Netdev): 'ethernet' | 'infiniband' | undefined {
  const type = whole(system.read(`${folder}/type`)) ?? 1;
  return type === 1 ? 'ethernet' : type === 32 ? 'infiniband' : undefined;
}

/** A MAC that can belong to one interface, in lower case: not 00:00:00:00:00:00, broadcast or multicast. */
export function unicastMac(text: string | undefined): string | undefined {
  const mac = text?.trim().toLowerCase();
  if (mac === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || mac === '00:00:00:00:00:00') return undefined;
  return Number.parseInt(mac.slice(0, 2), 16) % 2 === 1 ? undefined : mac;
}

/**
 * The MAC the hardware carries, as far as files tell: what the interface has, unless somebody made it up or set it (addr_assign_type, see
 * Documentation/ABI/testing/sysfs-class-net); a bond's port keeps its own aside.
 */
export function sysfsMac(system: System, { folder }: Netdev): string | undefined {
  const kept = unicastMac(system.read(`${folder}/bonding_slave/perm_hwaddr`));
  if (kept !== undefined) return kept;
  const assigned = whole(system.read(`${folder}/addr_assign_type`)) ?? 0;
  return assigned === 0 ? unicastMac(system.read(`${folder}/address`)) : undefined;
}

// The folder of an interface lies in its device's: .../0000:00:03.0/virtio2/net/eth0. What lies under 'virtual' has none.
function deviceOf(system: System, folder: string, target: string | undefined): string | undefined {
  const path = target === undefined ? undefined : posix.join(posix.dirname(folder), target);
  if (path?.startsWith('/sys/devices/virtual/')) return undefined;
  if (path !== undefined && basename(posix.dirname(path)) === 'net') return posix.dirname(posix.dirname(path));
  const device = system.link(`${folder}/device`);
  return device === undefined ? undefined : posix.join(path ?? folder, device);
}
