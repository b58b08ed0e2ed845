import { z } from 'zod';
import { count, set, text } from './fields.ts';

/** A PCI Express link. Speeds in GT/s per lane, widths in lanes. */
export const pciLink = z.looseObject({
  speed_gts: z.number().optional().describe('What it runs at; absent where power saving changes it by itself (GPUs)'),
  width: count.optional(),
  max_speed_gts: z.number().optional(),
  max_width: count.optional(),
  expected_speed_gts: z
    .number()
    .optional()
    .describe(
      'Least that the device and every port above it can; absent for ports, which are judged by what is below them',
    ),
  expected_width: count.optional(),
  limited_by: text.optional().describe('Address of the port above that can less than the device'),
  degraded: text.optional().describe('Address of the hop that runs below what is expected; absent where none does'),
});

/** Virtual functions (SR-IOV). */
export const sriov = z.looseObject({
  total: count.optional().describe('How many it can have'),
  used: count.optional().describe('How many there are'),
  functions: set.optional().describe('Address → true, of the first 256'),
});

/** Physical PCI functions, keyed by address. `truncated` says how many a machine had beyond what is reported. */
export const pci = {
  observed: z.record(
    text,
    z.looseObject({
      class: text.optional().describe('Class, subclass and interface: 0x020000'),
      vendor: text.optional().describe('Vendor id: 0x8086'),
      device: text.optional(),
      subsystem_vendor: text.optional(),
      subsystem_device: text.optional(),
      revision: text.optional(),
      driver: text.optional(),
      numa_node: count.optional(),
      iommu_group: text.optional(),
      slot: text.optional().describe('Name of the physical slot'),
      parent: text.optional().describe('Address of the bridge it sits behind'),
      link: pciLink.optional(),
      sriov: sriov.optional(),
      dropped: count.optional(),
    }),
  ),
};
export type Pci = z.infer<typeof pci.observed>;
export type PciLink = z.infer<typeof pciLink>;
export type Sriov = z.infer<typeof sriov>;
