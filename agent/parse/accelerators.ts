import type { PciFunction } from './pci.ts';

// The VGA of a BMC (ASPEED, Matrox, Huawei, Silicon Motion) or of a hypervisor (QEMU, Cirrus, VMware, VirtualBox,
// virtio, QXL, Hyper-V): whoever counts GPUs does not mean these. They stay in `pci`.
const bmcs = ['0x1a03', '0x102b', '0x19e5', '0x126f'];
const hypervisors = ['0x1234', '0x1013', '0x15ad', '0x80ee', '0x1af4', '0x1b36', '0x1414'];
const consoles = new Set([...bmcs, ...hypervisors]);

// Makers whose accelerators say another class than 12 of themselves; of those that make other things, too, which devices.
const others: Record<string, RegExp> = {
  // Habana, Graphcore, Tenstorrent, Google (TPU and Coral)
  '0x1da3': /^/,
  '0x1d95': /^/,
  '0x1e52': /^/,
  '0x1ae0': /^0x00(27|42|4[e-f]|5[6-f]|6[23ef]|76)$/,
  '0x1ac1': /^0x089a$/,
  // Amazon: Inferentia and Trainium
  '0x1d0f': /^0x7[0-3]6[4-7]$/,
  // Intel: Xeon Phi
  '0x8086': /^0x225[0-9a-f]$/,
};

/** What a function is to whoever counts GPUs; undefined for all else, and for the consoles of BMCs and hypervisors. */
export function acceleratorKind({ class: pciClass, ids }: Pick<PciFunction, 'class' | 'ids'>): string | undefined {
  const vendor = ids.vendor ?? '';
  if (pciClass?.startsWith('0x12')) return 'accelerator';
  if (pciClass?.startsWith('0x03'))
    return consoles.has(vendor) ? undefined : pciClass.startsWith('0x0302') ? '3d' : 'display';
  // Never a port of a network, a bridge or a disk of the same maker.
  if (!/^0x(08|0b|ff|00)/.test(pciClass ?? '')) return undefined;
  return others[vendor]?.test(ids.device ?? '') === true ? 'accelerator' : undefined;
}

/** Whether its link may be slow because it is idle. */
export const isAccelerator = (each: PciFunction): boolean => acceleratorKind(each) !== undefined;
