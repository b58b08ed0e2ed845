import { z } from 'zod';
import { count, text } from './fields.ts';
import { pciLink } from './pci.ts';

/** GPUs and accelerators, keyed by PCI address, with or without their driver. Consoles of BMCs are not among them. */
export const gpus = {
  observed: z.record(
    text,
    z.looseObject({
      kind: text.optional().describe('display, 3d (no monitor port) or accelerator'),
      vendor: text.optional().describe('Vendor id: 0x10de'),
      device: text.optional(),
      subsystem_vendor: text.optional(),
      subsystem_device: text.optional(),
      driver: text.optional(),
      driver_version: text.optional(),
      model: text.optional().describe("Name the vendor's driver gives"),
      serial: text.optional(),
      uuid: text.optional(),
      memory_bytes: count.optional(),
      vbios: text.optional(),
      firmware: text.optional(),
      numa_node: count.optional(),
      link: pciLink.optional(),
      dropped: count.optional(),
    }),
  ),
};
export type Gpus = z.infer<typeof gpus.observed>;
