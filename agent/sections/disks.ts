import { posix } from 'node:path';
import type { Disks } from '../../shared/sections/disks.ts';
import { diskIdentity } from '../parse/disk-identity.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { pciAddresses } from '../parse/pci.ts';
import type { System } from '../system.ts';

type Disk = NonNullable<Disks[string]>;

/**
 * Local disks (kernel: Documentation/ABI/stable/sysfs-block). Not what software makes (loop, ram, dm, md, zram, rbd),
 * what a network brings and takes (iSCSI, Fibre Channel, NVMe over fabrics: CSI volumes), or what holds no medium.
 */
export function observe(system: System): Disks | undefined {
  const found = system.list('/sys/block').flatMap((name) => {
    const disk = isDiskName(name) ? observeDisk(system, name) : undefined;
    return disk === undefined ? [] : [disk];
  });
  return found.length === 0
    ? undefined
    : keyed(mergePaths(found).map((value) => ({ keys: [value.serial, value.wwn, value.name], value })));
}

function observeDisk(system: System, name: string): Disk | undefined {
  const folder = `/sys/block/${name}`;
  const target = system.link(folder);
  if (target === undefined) return undefined;
  const { device, place } = locate(system, posix.join('/sys/block', target));
  const sectors = whole(system.read(`${folder}/size`));
  // A hidden disk is one path of a multipath NVMe device; size 0 is a card reader or a virtual drive without medium.
  if (device === undefined || isRemote(system, device) || system.read(`${folder}/hidden`) === '1' || sectors === 0) {
    return undefined;
  }
  const identity = diskIdentity(system, folder, device);
  const rotational = system.read(`${folder}/queue/rotational`);
  return {
    name,
    ...identity,
    // The kernel counts sectors of 512 bytes here, whatever the disk's own are.
    size_bytes: sectors !== undefined && sectors < 2 ** 44 ? sectors * 512 : undefined,
    logical_sector_bytes: whole(system.read(`${folder}/queue/logical_block_size`)),
    physical_sector_bytes: whole(system.read(`${folder}/queue/physical_block_size`)),
    rotational: rotational === '1' ? true : rotational === '0' ? false : undefined,
    transport: transportOf(name, place, identity.vendor),
    vendor: identity.vendor === 'ATA' ? undefined : identity.vendor,
    pci: pciAddresses(place).at(-1),
  };
}

// Optical drives, floppies, boot and replay-protected areas of eMMC, raw flash.
function isDiskName(name: string): boolean {
  return !/^(sr|scd|fd|nbd|rbd|mtdblock)\d|^mmcblk\d+(boot|rpmb|gp)/.test(name);
}

// The device is the disk's parent, with or without a 'block' folder between them.
function locate(system: System, path: string): { device: string | undefined; place: string } {
  const parent = posix.dirname(path);
  const device = posix.basename(parent) === 'block' ? posix.dirname(parent) : parent;
  if (!path.startsWith('/sys/devices/virtual/')) return { device, place: path };
  // A multipath NVMe device is virtual; its controllers are not.
  if (!posix.basename(device).startsWith('nvme-subsys')) return { device: undefined, place: path };
  const controller = system.list(device).find((name) => /^nvme\d+$/.test(name));
  const target = controller === undefined ? undefined : system.link(`${device}/${controller}`);
  if (target === undefined) return { device: undefined, place: path };
  const place = posix.join(device, target);
  return { device: place, place };
}

function isRemote(system: System, device: string): boolean {
  if (/\/(session\d+|rport-|pseudo_\d+|nvme-fabrics)/.test(device)) return true;
  const fabric = system.read(`${device}/transport`);
  return fabric === 'tcp' || fabric === 'rdma' || fabric === 'fc' || fabric === 'loop';
}

function transportOf(name: string, path: string, vendor: string | undefined): string | undefined {
  if (name.startsWith('nvme')) return 'nvme';
  if (name.startsWith('pmem')) return 'nvdimm';
  if (path.includes('/mmc_host/')) return 'mmc';
  if (path.includes('/usb')) return 'usb';
  if (/\/ata\d+\//.test(path) || vendor === 'ATA') return 'sata';
  if (path.includes('/end_device-')) return 'sas';
  if (/\/virtio\d+\//.test(path)) return 'virtio';
  if (name.startsWith('xvd')) return 'xen';
  return name.startsWith('sd') ? 'scsi' : undefined;
}

// One WWN is one disk, seen once per cable.
function mergePaths(disks: Disk[]): Disk[] {
  const byWwn = new Map<string, Disk>();
  for (const disk of disks) {
    const key = disk.wwn ?? `name ${disk.name}`;
    const first = byWwn.get(key);
    byWwn.set(key, first === undefined ? disk : { ...first, paths: (first.paths ?? 1) + 1 });
  }
  return [...byWwn.values()];
}
