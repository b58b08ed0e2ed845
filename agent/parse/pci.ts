import type { PciLink } from '../../shared/sections/pci.ts';
import type { System } from '../system.ts';
import { whole } from './numbers.ts';

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
export function pciFunctions(system: System): PciFunction[] {
  const base = '/sys/bus/pci/devices';
  return system
    .list(base)
    .filter((name) => address.test(name) && system.link(`${base}/${name}/physfn`) === undefined)
    .map((name) => {
      const folder = `${base}/${name}`;
      const above = pciAddresses(system.link(folder) ?? '').filter((each) => each !== name);
      return { address: name, folder, above, ...identify(system, folder) };
    });
}

// One read in place of six: the kernel writes all of it into `uevent`. Captures may lack that file.
function identify(system: System, folder: string): Pick<PciFunction, 'class' | 'driver' | 'ids'> {
  const event = new Map((system.read(`${folder}/uevent`) ?? '').split('\n').map((line) => split(line, '=')));
  const pciClass = event.get('PCI_CLASS');
  if (pciClass === undefined) {
    const id = (name: string) => hex(system.read(`${folder}/${name}`));
    const ids = withoutEmpty(id('vendor'), id('device'), id('subsystem_vendor'), id('subsystem_device'));
    return { class: id('class'), driver: linkName(system, `${folder}/driver`), ids };
  }
  const [vendor, device] = split(event.get('PCI_ID') ?? '', ':').map((text) => hex(`0x${text.toLowerCase()}`));
  const [sub, subDevice] = split(event.get('PCI_SUBSYS_ID') ?? '', ':').map((text) => hex(`0x${text.toLowerCase()}`));
  return {
    class: hex(`0x${pciClass.toLowerCase().padStart(6, '0')}`),
    driver: event.get('DRIVER')?.slice(0, 64),
    ids: withoutEmpty(vendor, device, sub, subDevice),
  };
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

/** Display controllers (class 03) and processing accelerators (class 12). */
export function isGpuClass(pciClass: string | undefined): boolean {
  return /^0x(03|12)/.test(pciClass ?? '');
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
 * The PCIe link of a function, undefined where it has none.
 * @param speed 'fixed' when power saving leaves the speed alone, so that it is a fact
 */
export function pciLinkOf(system: System, folder: string, speed: 'fixed' | 'saves power'): PciLink | undefined {
  const maxSpeed = gts(system.read(`${folder}/max_link_speed`));
  const maxWidth = lanes(system.read(`${folder}/max_link_width`));
  if (maxSpeed === undefined && maxWidth === undefined) return undefined;
  return {
    speed_gts: speed === 'fixed' ? gts(system.read(`${folder}/current_link_speed`)) : undefined,
    width: lanes(system.read(`${folder}/current_link_width`)),
    max_speed_gts: maxSpeed,
    max_width: maxWidth,
  };
}

/** Virtual functions a physical one can have. */
export function sriovOf(system: System, folder: string): { total: number } | undefined {
  const total = whole(system.read(`${folder}/sriov_totalvfs`));
  return total === undefined || total === 0 ? undefined : { total };
}

/** NUMA node of a device; -1 (none, or the firmware does not say) is undefined. */
export function numaOf(system: System, folder: string): number | undefined {
  return whole(system.read(`${folder}/numa_node`));
}

// '8.0 GT/s PCIe', '2.5 GT/s', 'Unknown speed', 'Unknown'.
function gts(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?) GT\/s/.exec(text ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

// 0 is "no link", 255 is what a function answers that has fallen off the bus.
function lanes(text: string | undefined): number | undefined {
  const width = whole(text);
  return width === 0 || width === 255 ? undefined : width;
}
