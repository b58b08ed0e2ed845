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
      namespace: count.optional().describe('NVMe namespace, from 1'),
      controller: text.optional().describe("The kernel's name of the NVMe controller"),
      label: text.optional().describe('Of a file system on the whole disk'),
      partitions: z
        .record(
          text,
          z.looseObject({
            size_bytes: count.optional(),
            label: text.optional().describe('Of its file system'),
            part_label: text.optional().describe('Of the partition itself'),
            dropped: count.optional(),
          }),
        )
        .optional()
        .describe('By number'),
      arrays: z
        .record(
          text,
          z.looseObject({
            level: text.optional().describe('raid1, linear...'),
            members: count.optional().describe('Disks that it is made of'),
            metadata: text.optional().describe('Form of its superblock: 1.2'),
            uuid: text.optional(),
            size_bytes: count.optional(),
          }),
        )
        .optional()
        .describe('Arrays of md that it, or a partition of it, is a member of'),
      family: text.optional().describe('What smartctl calls the kind of disk'),
      form_factor: text.optional().describe('By smartctl: 3.5 inches'),
      rpm: count.optional().describe('By smartctl'),
      paths: count.optional().describe('Ways to the same disk, where there are several'),
      dropped: count.optional(),
    }),
  ),
};
export type Disks = z.infer<typeof disks.observed>;
