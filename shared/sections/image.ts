import { z } from 'zod';
import { text } from './fields.ts';
import { name } from './name.ts';

/** Which disk an image may be written to: all given must hold, as the machine reports its disks, and for one disk only. */
const disk = z.strictObject({
  serial: text.optional(),
  wwn: text.optional(),
  model: text.optional(),
  name: text.optional().describe("The kernel's name, such as nvme0n1"),
  transport: text.optional().describe('nvme, sata, sas, scsi, virtio'),
  min_bytes: z.int().min(1).optional(),
  max_bytes: z.int().min(1).optional(),
});
export type DiskRule = z.infer<typeof disk>;

/** The golden image that should be on the machine. A difference is a finding; nothing is installed because of it. */
export const image = {
  intended: z.strictObject({
    name: name.describe('Name of the image'),
    disk: disk.optional().describe('Without it the machine has one disk that is not removable'),
  }),
};
export type Image = z.infer<typeof image.intended>;
