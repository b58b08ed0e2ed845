import { z } from 'zod';
import { count, text } from './fields.ts';

/**
 * Local disks, keyed by serial, else WWN, else the kernel's name. `truncated` says how many a machine had beyond what
 * is reported.
 */
export const disks = {
  observed: z.record(
    text,
    z.looseObject({
      name: text.optional().describe("The kernel's name"),
      vendor: text.optional(),
      model: text.optional(),
      serial: text.optional(),
      wwn: text.optional().describe('World wide name: naa., eui. or uuid.'),
      firmware: text.optional(),
      size_bytes: count.optional(),
      logical_sector_bytes: count.optional(),
      physical_sector_bytes: count.optional(),
      rotational: z.boolean().optional(),
      transport: text.optional().describe('nvme, sata, sas, scsi, virtio, usb, mmc, nvdimm, xen'),
      pci: text.optional().describe('PCI address of the controller'),
      paths: count.optional().describe('Ways to the same disk, where there are several'),
      dropped: count.optional(),
    }),
  ),
};
export type Disks = z.infer<typeof disks.observed>;
