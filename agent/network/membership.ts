import { whole } from '../parse/numbers.ts';
import type { System } from '../system.ts';
import type { Netdev } from './netdev.ts';

const MOST_VLANS = 128;

/**
 * What an interface is part of: its bond, bridge or VRF (the link `master`), and the VLANs on top of it (the links `upper_*`; kernel:
 * Documentation/ABI/testing/sysfs-class-net).
 */
export function membership(system: System, { folder }: Netdev) {
  const master = system.link(`${folder}/master`)?.split('/').at(-1)?.slice(0, 64);
  return { ...masterOf(system, master), vlans: vlansOf(system, folder) };
}

function masterOf(system: System, master: string | undefined) {
  if (master === undefined) return {};
  const folder = `/sys/class/net/${master}`;
  if (system.list(`${folder}/bonding`).length > 0) return { bond: master };
  if (system.list(`${folder}/bridge`).length > 0) return { bridge: master };
  return typeOf(system, folder) === 'vrf' ? { vrf: master } : {};
}

function vlansOf(system: System, folder: string): Record<string, string> | undefined {
  const uppers = system.list(folder).flatMap((name) => (name.startsWith('upper_') ? name.slice('upper_'.length) : []));
  const vlans = uppers.flatMap((name) => {
    if (typeOf(system, `/sys/class/net/${name}`) !== 'vlan') return [];
    // ' eth0.100  VID: 100	 REORDER_HDR: 1 ...': the kernel tells the number nowhere else.
    const id = whole(/\bVID: (\d{1,4})\b/.exec(system.read(`/proc/net/vlan/${name}`) ?? '')?.[1]);
    return id === undefined ? [] : [[String(id), name] as const];
  });
  return vlans.length === 0 ? undefined : Object.fromEntries(vlans.slice(0, MOST_VLANS));
}

function typeOf(system: System, folder: string): string | undefined {
  return /^DEVTYPE=(\w+)$/m.exec(system.read(`${folder}/uevent`) ?? '')?.[1];
}
