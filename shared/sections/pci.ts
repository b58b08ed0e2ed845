import { z } from 'zod';
import { count, text } from './fields.ts';

/** A PCI Express link. Speeds in GT/s per lane, widths in lanes. */
export const pciLink = z.looseObject({
  speed_gts: z.number().optional().describe('What it runs at; absent where power saving changes it by itself (GPUs)'),
  width: count.optional(),
  max_speed_gts: z.number().optional(),
  max_width: count.optional(),
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
      sriov: z.looseObject({ total: count.optional() }).optional().describe('Virtual functions it can have'),
      dropped: count.optional(),
    }),
  ),
};
export type Pci = z.infer<typeof pci.observed>;
export type PciLink = z.infer<typeof pciLink>;
