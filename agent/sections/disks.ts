import { posix } from 'node:path';
import type { Disks } from '../../shared/sections/disks.ts';
import { arraysOf, diskLabels, type Labels, partitionsOf } from '../disk/partitions.ts';
import { diskIdentity } from '../parse/disk-identity.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { pciAddresses } from '../parse/pci.ts';
import { parseSmartctl, type SmartIdentity } from '../parse/smartctl.ts';
import { ANSWERS, type System } from '../system.ts';

type Disk = NonNullable<Disks[string]>;

/**
 * Local disks (kernel: Documentation/ABI/stable/sysfs-block). Not what software makes (loop, ram, dm, md, zram, rbd),
 * what a network brings and takes (iSCSI, Fibre Channel, NVMe over fabrics: CSI volumes), or what holds no medium.
 */
export function observe(system: System): Disks | undefined {
  const labels = diskLabels(system);
  const found = system.list('/sys/block').flatMap((name) => {
    const disk = isDiskName(name) ? observeDisk(system, name, labels) : undefined;
    return disk === undefined ? [] : [disk];
  });
  return found.length === 0
    ? undefined
    : keyed(mergePaths(found).map((value) => ({ keys: [value.serial, value.wwn, value.name], value })));
}

function observeDisk(system: System, name: string, labels: Labels): Disk | undefined {
  const folder = `/sys/block/${name}`;
  const target = system.link(folder);
  if (target === undefined) return undefined;
  const { device, place } = locate(system, posix.join('/sys/block', target));
  const sectors = whole(system.read(`${folder}/size`));
  // A hidden disk is one path of a multipath NVMe device; size 0 is a card reader or a virtual drive without medium.
  if (device === undefined || isRemote(system, device) || system.read(`${folder}/hidden`) === '1' || sectors === 0) {
    return undefined;
  }
  const kernel = diskIdentity(system, folder, device);
  const smart = smartIdentity(system, name);
  const rotational = system.read(`${folder}/queue/rotational`);
  return {
    name,
    model: kernel.model ?? smart?.model,
    serial: kernel.serial ?? smart?.serial,
    wwn: kernel.wwn ?? smart?.wwn,
    firmware: smart?.firmware ?? kernel.firmware,
    family: smart?.family,
    form_factor: smart?.form_factor,
    rpm: smart?.rpm,
    // The kernel counts sectors of 512 bytes here, whatever the disk's own are.
    size_bytes: sectors !== undefined && sectors < 2 ** 44 ? sectors * 512 : undefined,
    logical_sector_bytes: whole(system.read(`${folder}/queue/logical_block_size`)),
    physical_sector_bytes: whole(system.read(`${folder}/queue/physical_block_size`)),
    rotational: rotational === '1' ? true : rotational === '0' ? false : undefined,
    transport: transportOf(name, place, kernel.vendor),
    vendor: kernel.vendor === 'ATA' ? undefined : kernel.vendor,
    pci: pciAddresses(place).at(-1),
    namespace: whole(system.read(`${folder}/nsid`)),
    controller: /^nvme\d+$/.exec(posix.basename(device))?.[0],
    label: labels.label.get(name),
    partitions: partitionsOf(system, folder, labels),
    arrays: arraysOf(system, folder),
  };
}

/** File of what smartctl answered of a disk. */
export const smartFile = (name: string): string => `smartctl-${name}.json`;

// SCSI cuts the firmware's name to 4 characters, and what a USB bridge or a RAID controller hides smartctl may know. An answer
// that cannot be read takes nothing away from what the kernel tells.
function smartIdentity(system: System, name: string): SmartIdentity | undefined {
  try {
    const text = system.read(`${ANSWERS}/${smartFile(name)}`);
    return text === undefined ? undefined : parseSmartctl(text);
  } catch {
    return undefined;
  }
}

/** Names of the disks that smartctl can be asked about: SATA, SAS, SCSI and NVMe of this machine itself. */
export function smartDisks(system: System): string[] {
  return system
    .list('/sys/block')
    .filter((name) => /^(sd[a-z]+|nvme\d+n\d+)$/.test(name) && observeDisk(system, name, noLabels) !== undefined);
}
const noLabels: Labels = { label: new Map(), part_label: new Map() };

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
