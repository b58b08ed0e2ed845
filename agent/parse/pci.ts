import type { Sriov } from '../../shared/sections/pci.ts';
import type { System } from '../system.ts';
import { whole } from './numbers.ts';
import { once } from './once.ts';

const MOST_VIRTUAL = 256;
const address = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/** PCI addresses along a sysfs path, outermost bridge first: of a PCI device itself, its parents and it. */
export function pciAddresses(path: string): string[] {
  return path.split('/').filter((part) => address.test(part));
}

/** A PCI function, where it lies and what it is. */
export interface PciFunction {
  address: string;
  /** Its folder in sysfs. */
  folder: string;
  /** Addresses of the bridges above it, outermost first. */
  above: string[];
  /** The root of its tree: pci0000:3a. */
  host: string | undefined;
  class: string | undefined;
  driver: string | undefined;
  ids: PciIds;
}

/** Who made a function, and the card it is on. */
export interface PciIds {
  vendor: string | undefined;
  device: string | undefined;
  subsystem_vendor: string | undefined;
  subsystem_device: string | undefined;
}

/** Physical PCI functions in the order of their addresses; SR-IOV's virtual ones come and go and are not among them. */
export const pciFunctions = once((system: System): PciFunction[] => {
  const base = '/sys/bus/pci/devices';
  return system
    .list(base)
    .filter((name) => address.test(name) && system.link(`${base}/${name}/physfn`) === undefined)
    .map((name) => {
      const folder = `${base}/${name}`;
      const path = system.link(folder) ?? '';
      const above = pciAddresses(path).filter((each) => each !== name);
      const host = path.split('/').findLast((part) => /^pci[0-9a-f]{4,8}:[0-9a-f]{2}$/.test(part));
      return { address: name, folder, above, host, ...identify(system, folder) };
    });
});

// One read in place of six: the kernel writes all of it into `uevent`. Captures may lack that file.
function identify(system: System, folder: string): Pick<PciFunction, 'class' | 'driver' | 'ids'> {
  const event = system.read(`${folder}/uevent`) ?? '';
  const pciClass = valueIn(event, 'PCI_CLASS');
  if (pciClass === undefined) {
    const id = (name: string) => hex(system.read(`${folder}/${name}`));
    const ids = withoutEmpty(id('vendor'), id('device'), id('subsystem_vendor'), id('subsystem_device'));
    return { class: id('class'), driver: linkName(system, `${folder}/driver`), ids };
  }
  const [vendor, device] = split(valueIn(event, 'PCI_ID') ?? '', ':').map((text) => hex(`0x${text.toLowerCase()}`));
  const [sub, subDevice] = split(valueIn(event, 'PCI_SUBSYS_ID') ?? '', ':').map((text) =>
    hex(`0x${text.toLowerCase()}`),
  );
  return {
    class: hex(`0x${pciClass.toLowerCase().padStart(6, '0')}`),
    driver: valueIn(event, 'DRIVER')?.slice(0, 64),
    ids: withoutEmpty(vendor, device, sub, subDevice),
  };
}

// 'DRIVER=nvme\nPCI_CLASS=10802\n...'
function valueIn(event: string, key: string): string | undefined {
  const at = event.startsWith(`${key}=`) ? 0 : event.indexOf(`\n${key}=`) + 1;
  if (at === 0 && !event.startsWith(`${key}=`)) return undefined;
  const [line = ''] = event.slice(at + key.length + 1, at + key.length + 257).split('\n', 1);
  return line;
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

// A subsystem of vendor 0x0000 is none.
function withoutEmpty(vendor?: string, device?: string, subVendor?: string, subDevice?: string): PciIds {
  const none = subVendor === undefined || subVendor === '0x0000' || subVendor === '0xffff';
  return {
    vendor,
    device,
    subsystem_vendor: none ? undefined : subVendor,
    subsystem_device: none ? undefined : subDevice,
  };
}

/** Last part of what a link in sysfs points to: a driver's name, the number of an IOMMU group. */
export function linkName(system: System, path: string): string | undefined {
  return system.link(path)?.split('/').at(-1)?.slice(0, 64);
}

/** A number in hexadecimal as sysfs writes it ('0x8086'); zeros stay, for revision 0x00 is one. */
export function hex(text: string | undefined): string | undefined {
  return /^0x[0-9a-f]{1,8}$/.exec(text?.trim() ?? '')?.[0];
}

/**
 * Virtual functions of a physical one: how many it can have, how many somebody made, and which these are (of those the first 256).
 */
export function sriovOf(system: System, folder: string): Sriov | undefined {
  const total = whole(system.read(`${folder}/sriov_totalvfs`));
  if (total === undefined || total === 0) return undefined;
  const used = whole(system.read(`${folder}/sriov_numvfs`));
  if (used === undefined || used === 0) return { total, used };
  const functions = Array.from({ length: Math.min(used, MOST_VIRTUAL) }, (_, index) => {
    const name = linkName(system, `${folder}/virtfn${index}`);
    return name === undefined ? [] : [[name, true as const] as const];
  });
  return { total, used, functions: Object.fromEntries(functions.flat()) };
}

/** NUMA node of a device; -1 (none, or the firmware does not say) is undefined. */
export function numaOf(system: System, folder: string): number | undefined {
  const known = nodesSeen(system);
  if (!known.has(folder)) known.set(folder, whole(system.read(`${folder}/numa_node`)));
  return known.get(folder);
}

// A function may be a GPU, too, or the way to one.
const nodesSeen = once(() => new Map<string, number | undefined>());
