import type { System } from '../system.ts';
import { numberAt, type Smbios } from './table.ts';

const byVendor: [vendor: RegExp, product: RegExp, name: string][] = [
  [/^QEMU|^Bochs/, /./, 'qemu'],
  [/./, /^KVM/, 'kvm'],
  [/^VMware/, /./, 'vmware'],
  [/^innotek|^Oracle/, /^VirtualBox/, 'virtualbox'],
  [/^Xen/, /./, 'xen'],
  [/^Microsoft/, /^Virtual Machine/, 'hyper-v'],
  [/^Google/, /^Google Compute Engine/, 'gce'],
  [/^OpenStack/, /./, 'openstack'],
  [/^BHYVE/, /./, 'bhyve'],
  [/^Parallels/, /./, 'parallels'],
  [/^Apple/, /Virtual/, 'apple'],
  // Its bare machines say so in their product: m5.metal.
  [/^Amazon EC2/, /^(?!.*\.metal)/, 'ec2'],
];
const byAcpiOem: Record<string, string> = { FIRECK: 'firecracker', BOCHS: 'qemu', CLOUDH: 'cloud-hypervisor' };

/**
 * What a virtual machine runs on: a name, or 'unknown' when firmware only says that it is virtual; undefined on what
 * gives no sign of being virtual.
 */
export function hypervisorOf(
  system: System,
  smbios: Smbios | undefined,
  manufacturer = '',
  product = '',
): string | undefined {
  const named = byVendor.find(([vendor, model]) => vendor.test(manufacturer) && model.test(product))?.[2];
  if (named !== undefined) return named;
  const xen = system.read('/sys/hypervisor/type');
  if (xen) return xen;
  // POWER and others with a device tree: 'linux,kvm', 'xen,xen-4.17'.
  const tree = system.read('/proc/device-tree/hypervisor/compatible');
  if (tree !== undefined) return /kvm|xen/.exec(tree)?.[0] ?? 'unknown';
  // A micro virtual machine may have no SMBIOS at all; the OEM id of an ACPI table is at offset 10, 6 bytes.
  const oem = system.readBytes('/sys/firmware/acpi/tables/FACP')?.toString('latin1', 10, 16).trim();
  if (oem !== undefined && byAcpiOem[oem] !== undefined) return byAcpiOem[oem];
  // DSP0134, 7.1.2.2: bit 4 of the second extension byte.
  const bios = smbios?.structures.find(({ type }) => type === 0);
  const virtual = bios !== undefined && ((numberAt(bios, 0x13, 1) ?? 0) & 0x10) !== 0;
  return virtual ? 'unknown' : undefined;
}
