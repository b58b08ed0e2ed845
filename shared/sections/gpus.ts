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
      cpus: text.optional().describe('CPUs that are near to it: 0-31,64-95'),
      link: pciLink.optional(),
      architecture: text.optional().describe("As NVIDIA's driver calls it"),
      board_part: text.optional(),
      ecc: z.boolean().optional().describe('Whether its memory corrects errors'),
      mig: z.boolean().optional().describe('Multi-instance GPU mode'),
      mig_slices: z
        .record(text, z.looseObject({ memory_bytes: count.optional() }))
        .optional()
        .describe('GPU instance/compute instance → what it has'),
      nvlink: z
        .looseObject({ links: count.optional(), gigabytes_per_s: z.number().optional() })
        .optional()
        .describe('Links that are up, and the speed of the slowest'),
      affinity: z
        .record(text, text)
        .optional()
        .describe(
          'PCI address of a GPU, network port or NVMe → PIX, PXB, PHB, NODE or SYS, as `nvidia-smi topo` has it',
        ),
      note: text.optional().describe("Why the vendor's tool told nothing"),
      dropped: count.optional(),
    }),
  ),
};
export type Gpus = z.infer<typeof gpus.observed>;
